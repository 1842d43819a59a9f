"""A client and an application around one WebSocket engine, without sockets: feed frames, see messages, read frames."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from granian.protocol.limits import DeflateSettings, WebSocketLimits
from granian.protocol.websocket.extensions import deflate_terms, parse_extensions
from granian.protocol.websocket.fast import WebSocketFast
from granian.protocol.websocket.wsproto import WebSocketWsproto

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.protocol.websocket.contract import DeflateTerms

WEBSOCKET_ENGINES = {'fast': WebSocketFast, 'wsproto': WebSocketWsproto}
DEFLATE = DeflateSettings(
    level=6,
    memory_level=8,
    server_window_bits=15,
    client_window_bits=15,
    server_takeover=True,
    client_takeover=True,
    message_bytes_min=16,
)
LIMITS = WebSocketLimits(frame_bytes_max=70_000, message_bytes_max=100_000, deflate=DEFLATE)
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b'\x12\xfe\x80\x07'
TAIL = b'\x00\x00\xff\xff'


def limits(**changes: Any) -> WebSocketLimits:
    return replace(LIMITS, **changes)


def terms(offer: bytes = b'permessage-deflate', **changes: Any) -> DeflateTerms:
    agreed = deflate_terms(parse_extensions(offer), replace(DEFLATE, **changes))
    assert agreed is not None
    return agreed


def xored(payload: bytes, mask: bytes) -> bytes:
    """By the letter of RFC 6455 5.3; what is large all at once."""
    if len(payload) > 4096:
        whole = (mask * (len(payload) // 4 + 1))[: len(payload)]
        return (int.from_bytes(payload, 'big') ^ int.from_bytes(whole, 'big')).to_bytes(len(payload), 'big')
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def frame(
    opcode: int,
    payload: bytes = b'',
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    form: int | None = None,
) -> bytes:
    """A client's frame; `form`: bytes of the extended length, in place of the shortest."""
    size = len(payload)
    form = form if form is not None else 0 if size < 126 else 2 if size < 65536 else 8
    short = {0: size, 2: 126, 8: 127}[form]
    head = (
        bytes((fin << 7 | rsv << 4 | opcode, (0x80 if mask is not None else 0) | short))
        + size.to_bytes(8, 'big')[8 - form :]
    )
    return head + (payload if mask is None else mask + xored(payload, mask))


def message(opcode: int, *parts: bytes) -> bytes:
    """A message in as many frames."""
    return b''.join(
        frame(CONTINUATION if at else opcode, part, fin=at == len(parts) - 1) for at, part in enumerate(parts)
    )


def close(code: int | None = None, reason: bytes = b'') -> bytes:
    return frame(CLOSE, b'' if code is None else code.to_bytes(2, 'big') + reason)


class Deflate:
    """A client's side of permessage-deflate."""

    def __init__(self, agreed: DeflateTerms) -> None:
        self.terms = agreed
        self._deflate: Any = None
        self._inflate: Any = None

    def deflated(self, plain: bytes) -> bytes:
        if self._deflate is None or not self.terms.client_takeover:
            # zlib has no raw window of 8 bits; what it sends for 9 never refers back further than 250 bytes.
            self._deflate = zlib.compressobj(wbits=-max(self.terms.client_window_bits, 9))
        return (self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)

    def inflated(self, payload: bytes) -> bytes:
        if self._inflate is None or not self.terms.server_takeover:
            self._inflate = zlib.decompressobj(-self.terms.server_window_bits)
        return self._inflate.decompress(payload + TAIL)


@dataclass(frozen=True)
class Frame:
    """A frame of the server, which masks none."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0


def read_frames(wire: bytes) -> list[Frame]:
    """The frames of a server, checked: unmasked, whole, lengths in their shortest form."""
    frames = []
    while wire:
        first, size = wire[0], wire[1]
        assert not size & 0x80, 'a server masks nothing'
        at = 2
        if size >= 126:
            form = 2 if size == 126 else 8
            size, at = int.from_bytes(wire[2 : 2 + form], 'big'), 2 + form
            assert size >= (126 if form == 2 else 65536)
        assert len(wire) >= at + size, 'half a frame'
        frames.append(Frame(first & 0x0F, wire[at : at + size], bool(first & 0x80), first >> 4 & 7))
        wire = wire[at + size :]
    return frames


class Recorder:
    """WebSocketEvents that writes down what it is told, and insists on the contract's order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.closed: tuple[int, str] | None = None
        self.on_progress: Callable[[], None] = lambda: None

    def _tell(self, *what: Any) -> None:
        assert self.closed is None, 'told of something after the end'
        assert type(what[1]) in (str, bytes)
        self.told.append(what)
        self.on_progress()

    def on_message(self, data: str | bytes) -> None:
        self._tell('message', data)

    def on_ping(self, data: bytes) -> None:
        self._tell('ping', data)

    def on_pong(self, data: bytes) -> None:
        self._tell('pong', data)

    def on_closed(self, code: int, reason: str) -> None:
        assert self.closed is None, 'closed twice'
        assert type(code) is int
        assert type(reason) is str
        self.closed = (code, reason)


class Session:
    """One session: an engine, a client that feeds it, and an application that does what `then` does with what it is told."""

    def __init__(
        self,
        engine: Callable[..., Any],
        bounds: WebSocketLimits = LIMITS,
        agreed: DeflateTerms | None = None,
        *,
        then: Callable[[Session], None] = lambda session: None,
    ) -> None:
        self.recorder = Recorder()
        self.recorder.on_progress = lambda: then(self)
        self.engine = engine(bounds, agreed, self.recorder)
        self.sent = b''

    def feed(self, *pieces: bytes) -> Session:
        for piece in pieces:
            if not self.engine.closing:
                self.engine.receive(piece)
            self.settle()
        return self

    def settle(self) -> None:
        """The application has had its turn."""
        if self.engine.pending:
            assert not self.engine.closing
            self.engine.receive(b'')
            assert not self.engine.pending

    @property
    def told(self) -> list[tuple[Any, ...]]:
        return self.recorder.told

    @property
    def messages(self) -> list[Any]:
        return [what[1] for what in self.told if what[0] == 'message']

    @property
    def code(self) -> int | None:
        return self.recorder.closed and self.recorder.closed[0]

    @property
    def frames(self) -> list[Frame]:
        """All that was sent to the client so far."""
        self.sent += b''.join(self.engine.output)
        self.engine.output.clear()
        return read_frames(self.sent)

    @property
    def close_code(self) -> int | None:
        """The code of our close frame, 1005 for none in it, None where there is no such frame."""
        closes = [frame.payload for frame in self.frames if frame.opcode == CLOSE]
        assert len(closes) <= 1
        return (int.from_bytes(closes[0][:2], 'big') if closes[0] else 1005) if closes else None


def echo(session: Session) -> None:
    """An application that sends every message back."""
    kind, data = session.told[-1]
    if kind == 'message':
        session.engine.send(data)
