"""What RSGI names besides its calls: its errors, and the kinds of messages."""

from __future__ import annotations

from enum import IntEnum

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
