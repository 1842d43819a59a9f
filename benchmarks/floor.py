"""The floor: uvloop, a fixed answer to whatever one read brings, nothing parsed. No server on this loop can cost less."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 10\r\n\r\n0123456789'


class Floor(asyncio.Protocol):
    __slots__ = ('write',)

    def connection_made(self, transport):
        self.write = transport.write

    def data_received(self, data):
        self.write(ANSWER)


async def main(port):
    """Serve on 127.0.0.1:`port` until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(Floor, '127.0.0.1', port, backlog=1024)
    await stop.wait()
    server.close()


if __name__ == '__main__':
    loop = uvloop.new_event_loop()
    loop.run_until_complete(main(int(sys.argv[1])))
    loop.close()
