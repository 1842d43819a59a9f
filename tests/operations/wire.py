"""Between an HTTP/2 client in clear and the server: what became of every stream, as the wire shows it, whatever the client counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFACE_BYTES = 24
DATA, HEADERS, RST_STREAM, GOAWAY = 0, 1, 3, 7
END_STREAM = 1
REFUSED_STREAM = 7


class Relay:
    """`async with Relay(port) as relay`: connect to `relay.port` instead."""

    def __init__(self, port: int) -> None:
        self.counts: Counter[str] = Counter()
        self._to = port
        self._busy: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._relay, '127.0.0.1', 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self.quiet()

    async def quiet(self) -> None:
        """Return once no connection is open."""
        while self._busy:
            await asyncio.wait(self._busy)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        streams = Streams(self.counts)
        try:
            server_reader, server_writer = await asyncio.open_connection('127.0.0.1', self._to)
            asked = asyncio.create_task(_pump(reader, server_writer, streams.asked))
            answered = asyncio.create_task(_pump(server_reader, writer, streams.answered))
            await asyncio.wait({asked, answered}, return_when=asyncio.FIRST_COMPLETED)
            # Whoever goes first; the server's last bytes may be there already.
            if asked.done() and not answered.done():
                await asyncio.wait({answered}, timeout=1)
            streams.end(by_client=asked.done())
            await asyncio.wait({asked, answered}, timeout=1)
            for pump in (asked, answered):
                pump.cancel()
        except OSError:
            self.counts['not connected'] += 1
        finally:
            writer.close()
            self._busy.discard(task)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            look(data)
            writer.write(data)
            await writer.drain()
    writer.close()


class Streams:
    """Those of one connection, told by its frames in both directions."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._from_client, self._from_server = Frames(PREFACE_BYTES), Frames()
        self._open: set[int] = set()
        self._last = 0

    def asked(self, data: bytes) -> None:
        for kind, _, stream, _ in self._from_client.take(data):
            if kind == HEADERS and stream > self._last:
                self._last = stream
                self._open.add(stream)
                self._counts['opened'] += 1

    def answered(self, data: bytes) -> None:
        for kind, flags, stream, payload in self._from_server.take(data):
            if kind in {DATA, HEADERS} and flags & END_STREAM:
                self._ended({stream}, 'answered')
            elif kind == RST_STREAM:
                refused = int.from_bytes(payload, 'big') == REFUSED_STREAM
                self._ended({stream}, 'to be asked again' if refused else 'reset')
            elif kind == GOAWAY:
                last = int.from_bytes(payload[:4], 'big')
                # RFC 9113 6.8: they were not and will not be processed.
                self._ended({stream for stream in self._open if stream > last}, 'to be asked again')

    def _ended(self, streams: set[int], how: str) -> None:
        ended = streams & self._open
        self._open -= ended
        self._counts[how] += len(ended)

    def end(self, *, by_client: bool) -> None:
        self._ended(set(self._open), 'left by the client' if by_client else 'lost')


class Frames:
    """Frames out of bytes as they come."""

    def __init__(self, skip: int = 0) -> None:
        self._data = b''
        self._skip = skip

    def take(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload of each frame that is whole."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._data += data[skipped:]
        while len(self._data) >= 9:
            end = 9 + int.from_bytes(self._data[:3], 'big')
            if len(self._data) < end:
                return
            frame, self._data = self._data[:end], self._data[end:]
            yield frame[3], frame[4], int.from_bytes(frame[5:9], 'big'), frame[9:]
