"""Streamed responses of RSGI applications."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from granian.adapters.rsgi.heads import log_refusal, refused
from granian.adapters.rsgi.types import RSGIProtocolClosed
from granian.errors import ClientDisconnected, InvalidResponse

if TYPE_CHECKING:
    from granian.exchange import Exchange

logger = logging.getLogger('_granian')

# Pieces sent without waiting in between leave together, up to about this many bytes.
TOGETHER_BYTES_MAX = 128 * 1024


class HTTPStreamTransport:
    """The body of a response that was begun by `response_stream`."""

    __slots__ = ('_exchange', '_held_bytes', '_leaves', '_put')

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._put = exchange.outlet()
        # The head, and the pieces sent in one turn of the loop, leave together at its end.
        self._held_bytes = 0
        self._leaves = False
        if not exchange.carrier.inside:
            self._hold()

    async def send_bytes(self, data: bytes) -> None:
        """Send a piece; return once the socket takes more. Raises RSGIProtocolClosed."""
        if type(data) is not bytes:
            data = as_bytes(data)
        exchange = self._exchange
        if exchange.done:
            raise RSGIProtocolClosed
        try:
            self._put(data)
        except InvalidResponse as exc:
            exchange.abort()
            raise refused(exc) from exc
        self._held_bytes += len(data)
        carrier = exchange.carrier
        is_full = self._held_bytes > TOGETHER_BYTES_MAX
        if is_full:
            self._held_bytes = 0
            carrier.flush()
        elif not (self._leaves or carrier.inside):
            self._hold()
        if carrier.blocked:
            await self._writable()
        elif is_full:
            # The client takes all at once: everybody else has a turn.
            await asyncio.sleep(0)

    def _hold(self) -> None:
        self._leaves = True
        self._exchange.carrier.loop.call_soon(self._leave)

    def _leave(self) -> None:
        self._leaves = False
        self._held_bytes = 0
        if not self._exchange.lost:
            self._exchange.carrier.flush()

    async def send_str(self, data: str) -> None:
        """As `send_bytes`, in UTF-8."""
        await self.send_bytes(encoded(data))

    async def _writable(self) -> None:
        exchange = self._exchange
        # Once done, the connection tells this exchange nothing more.
        while exchange.carrier.blocked and not exchange.done:
            await exchange.changed()
        if exchange.lost:
            raise RSGIProtocolClosed

    def __del__(self) -> None:
        exchange = self._exchange
        if exchange.done:
            return
        # Not here: this may be anywhere, even in another thread, since the garbage collector runs anywhere.
        loop = exchange.carrier.loop
        if asyncio._get_running_loop() is loop:
            loop.call_soon(finish, exchange)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(finish, exchange)


def finish(exchange: Exchange) -> None:
    """End a streamed body."""
    if exchange.done:
        return
    try:
        exchange.finish()
    except InvalidResponse as exc:
        log_refusal(exc)
    except ClientDisconnected:
        logger.debug('Response not ended: the client is gone')


def as_bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f'bytes are wanted, not {type(value).__name__}')


def encoded(value: str) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f'a str is wanted, not {type(value).__name__}')
    return value.encode()
