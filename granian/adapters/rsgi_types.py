"""What RSGI names besides its calls: its errors, and the shape of a WebSocket session."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from granian.errors import ClientDisconnected, FlowError


class RSGIProtocolError(FlowError):
    """An application used its protocol object in a way RSGI does not allow. The cause says more."""

    def __init__(self) -> None:
        super().__init__('RSGI protocol error')


class RSGIProtocolClosed(ClientDisconnected):
    """Nothing can be read from, or sent to, this client any more."""

    def __init__(self) -> None:
        super().__init__('RSGI transport is closed')


class WebsocketMessageType(IntEnum):
    """`WebsocketMessage.kind`."""

    close = 0
    bytes = 1
    string = 2


class WebsocketMessage(Protocol):
    """What `WebsocketTransport.receive` gives; a close has no data."""

    kind: WebsocketMessageType
    data: bytes | str | None


class WebsocketTransport(Protocol):
    """An accepted WebSocket."""

    async def receive(self) -> WebsocketMessage:
        """The next message."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""

    async def send_str(self, data: str) -> None:
        """Send a text message."""


class WebsocketProtocol(Protocol):
    """The protocol object of a scope whose `proto` is 'ws'."""

    async def accept(self) -> WebsocketTransport:
        """Accept the handshake."""

    def close(self, status: int | None = None) -> None:
        """Refuse the handshake, or end the session."""
