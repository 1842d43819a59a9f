"""What a worker is told: to stop by a signal, everything else over the channel to its supervisor."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

from granian.observe import logs
from granian.observe.logs import logger
from granian.process.report import Lines
from granian.process.signals import on_stop

if TYPE_CHECKING:
    import socket

# alarm(2) takes an int.
ALARM_MAX_S = 2**31 - 2


class Orders:
    """`stopped` is set once it is to end; `leave` are the sockets whose queues others go on to serve then.

    Without a channel nobody needs to allow it to accept.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, channel: socket.socket | None, end_after_s: float) -> None:
        self.stopped = asyncio.Event()
        self.leave: frozenset[int] = frozenset()
        self._loop = loop
        self._channel = channel
        # How long the end may take where no supervisor is left to see to it.
        self._end_after_s = end_after_s
        self._may_accept = asyncio.Event()
        self._lines = Lines()
        on_stop(loop, self.stopped.set)
        if channel is None:
            self._may_accept.set()
        else:
            loop.add_reader(channel.fileno(), self._read)

    async def may_accept(self) -> bool:
        """Wait for the word; False: it is to end before it ever accepted."""
        waits = {asyncio.ensure_future(each.wait()) for each in (self._may_accept, self.stopped)}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        await asyncio.wait(waits)
        return not self.stopped.is_set()

    def close(self) -> None:
        if self._channel is not None:
            self._loop.remove_reader(self._channel.fileno())

    def _read(self) -> None:
        assert self._channel is not None
        try:
            data = self._channel.recv(65536)
        except ConnectionResetError:
            # It ended with reports unread.
            data = b''
        if not data:
            self._orphaned()
        for order in self._lines.take(data):
            self._obey(order)

    def _obey(self, order: dict[str, Any]) -> None:
        if order['do'] == 'accept':
            self._may_accept.set()
        elif order['do'] == 'retire':
            self.leave = frozenset(order['leave'])
            self.stopped.set()
        elif order['do'] == 'reopen':
            logs.reopen()

    def _orphaned(self) -> None:
        """The supervisor is gone, so nobody else will see to it that this process ends."""
        self.close()
        logger.error('The supervisor is gone, stopping')
        self.stopped.set()
        if hasattr(signal, 'alarm'):
            signal.alarm(int(min(self._end_after_s, ALARM_MAX_S)) + 1)
