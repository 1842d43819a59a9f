"""A client that only knows frames, on a socket: what a conformance tool sees of a server, and what it takes for an answer."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import hpack

from tests.helpers.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Frame,
    frame,
    settings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 10.0
Fields = list[tuple[bytes, bytes]]


class Wire:
    """One connection. Its `expect_…` fail where the server does something else, or nothing."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname='localhost')
        self.scheme = b'http' if tls is None else b'https'
        self.encoder = hpack.Encoder()
        self.settings: dict[int, int] = {}
        self._came = b''
        self._seen: list[str] = []
        self.next_stream = 1

    def close(self) -> None:
        self.socket.close()

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, *pieces: bytes) -> None:
        """One write for each piece. The server may have gone: what it said before that counts."""
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def greet(self) -> Wire:
        """The start of a connection, both sides' settings acknowledged."""
        self.send(PREFACE, settings((4, 65535)))
        acknowledged = False
        while not (acknowledged and self.settings):
            came = self._until(lambda came: came.kind == SETTINGS, 'SETTINGS')
            if came.flags & ACK:
                acknowledged = True
            else:
                pairs = [came.payload[at : at + 6] for at in range(0, len(came.payload), 6)]
                self.settings = {int.from_bytes(pair[:2], 'big'): int.from_bytes(pair[2:], 'big') for pair in pairs}
                self.send(frame(SETTINGS, ACK, 0))
        return self

    def head(self, method: bytes = b'GET') -> Fields:
        return [(b':method', method), (b':scheme', self.scheme), (b':path', b'/'), (b':authority', b'localhost')]

    def block(self, fields: Fields | None = None) -> bytes:
        return self.encoder.encode(self.head() if fields is None else fields)

    def ask(self, fields: Fields | None = None, *, stream: int = 1, end: bool = True, more: bytes = b'') -> None:
        """Send a request; `more` is a piece of its block."""
        flags = END_HEADERS | (END_STREAM if end else 0)
        self.send(frame(HEADERS, flags, stream, self.block(fields) + more))

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def frames(self) -> Iterator[Frame]:
        """What comes, until the server closes the connection."""
        while True:
            while len(self._came) < 9 or len(self._came) < 9 + int.from_bytes(self._came[:3], 'big'):
                try:
                    data = self.socket.recv(65536)
                except (ConnectionResetError, ssl.SSLEOFError):
                    data = b''
                if not data:
                    return
                self._came += data
            end = 9 + int.from_bytes(self._came[:3], 'big')
            raw, self._came = self._came[:end], self._came[end:]
            came = Frame(raw[3], raw[4], int.from_bytes(raw[5:9], 'big'), raw[9:])
            self._seen.append(f'{came.kind} of {came.stream} flags {came.flags}: {came.payload[:30]!r}')
            yield came

    def _until(self, wanted: Callable[[Frame], bool], name: str, *, closed: bool = False) -> Frame:
        """The next frame that is `wanted`; where `closed`, the end of the connection will do."""
        try:
            for came in self.frames():
                if wanted(came):
                    return came
        except TimeoutError:
            raise AssertionError(f'no {name}, but {self._seen}') from None
        assert closed, f'no {name}, but {self._seen} and the end'
        return Frame(GOAWAY, 0, 0, b'')

    def expect(self, kind: int, stream: int = 0, *, size: int | None = None, ack: bool | None = None) -> Frame:
        """Wait for a frame of this kind."""
        came = self._until(lambda came: came.kind == kind and (not stream or came.stream == stream), f'frame {kind}')
        assert size is None or len(came.payload) == size, self._seen
        assert ack is None or bool(came.flags & ACK) is ack, self._seen
        return came

    def expect_whole(self, stream: int = 1) -> None:
        """Wait for the end of a response."""
        self._until(
            lambda came: came.kind in (DATA, HEADERS) and came.stream == stream and bool(came.flags & END_STREAM), 'end'
        )

    def expect_connection_error(self, *codes: int) -> None:
        """A GOAWAY with one of these codes, or the end of the connection."""
        self._until(lambda came: came.kind == GOAWAY and came.code in codes, f'GOAWAY {codes}', closed=True)

    def expect_stream_error(self, *codes: int) -> None:
        """As before, or a RST_STREAM with one of them."""
        self._until(lambda came: came.kind in (GOAWAY, RST_STREAM) and came.code in codes, f'{codes}', closed=True)

    def expect_goaway(self, code: int) -> None:
        self._until(lambda came: came.kind == GOAWAY and came.code == code, f'GOAWAY {code}')

    def expect_reset(self, stream: int, code: int) -> None:
        self._until(lambda came: came.kind == RST_STREAM and (came.stream, came.code) == (stream, code), f'RST {code}')

    def expect_end(self) -> None:
        """Wait for the end of the connection, whatever comes before."""
        self._came = b''
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass

    def expect_pong(self, payload: bytes = b'h2 again', *, closed: bool = False) -> None:
        """Ask whether the connection still lives. `closed`: it need not."""
        self.send(frame(PING, 0, 0, payload))
        self._until(
            lambda came: came.kind == PING and bool(came.flags & ACK) and came.payload == payload, 'PONG', closed=closed
        )
