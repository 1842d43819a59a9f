"""The same frames to both engines: what they make of them must be the same, but for what the decisions page explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.conformance.strategies import Choices
from tests.conformance.websocket.cases import BAD_CODES, BAD_TEXT, GOOD_CODES, GOOD_TEXT
from tests.helpers.engines import byte_by_byte
from tests.helpers.websocket_engines import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LIMITS,
    MASK,
    PING,
    PONG,
    TEXT,
    WEBSOCKET_ENGINES,
    Deflate,
    Session,
    frame,
    limits,
    terms,
)

if TYPE_CHECKING:
    import random

    from granian.protocol.limits import WebSocketLimits
    from granian.protocol.websocket.contract import DeflateTerms

SMALL = limits(frame_bytes_max=20, message_bytes_max=30)
TERMS = [
    None,
    terms(),
    terms(b'permessage-deflate; client_no_context_takeover; server_no_context_takeover'),
    terms(b'permessage-deflate; client_max_window_bits=8; server_max_window_bits=9'),
]
OPCODES = [TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE, *range(3, 8), *range(11, 16)]
PAYLOADS = [b'', b'x', b'Hello', b'\x00' * 20, b'x' * 21, b'\xff\x80', b'x' * 125, b'x' * 126, bytes(range(256)) * 3]
TEXTS = [*(text.encode() for text in GOOD_TEXT), *BAD_TEXT]
CODES = [code.to_bytes(2, 'big') for code in (*GOOD_CODES, *BAD_CODES)]
TOKENS = [
    b'',
    b'\x00',
    b'\xff',
    b'\x80',
    b'\x81',
    b'\xc1',
    b'\x7f',
    b'\x00\x00\xff\xff',
    MASK,
    frame(TEXT, b'x'),
    frame(PING),
]
# Registered later than the others: docs/explanation/websocket-decisions.md.
UNKNOWN_TO_WSPROTO = 1014
# What the application does with what it is told.
THEN = ('nothing', 'echo', 'hold', 'close', 'ping')


@dataclass(frozen=True)
class Input:
    pieces: tuple[bytes, ...]
    limits: WebSocketLimits = LIMITS
    terms: DeflateTerms | None = None
    then: str = 'nothing'
    closes_first: bool = False
    ends: bool = False


def act(session: Session, then: str) -> None:
    kind, data = session.told[-1]
    if session.engine.phase != 'open':
        return
    if then == 'echo' and kind == 'message':
        session.engine.send(data)
    elif then == 'hold':
        session.engine.held = True
    elif then == 'close':
        session.engine.close(1001, 'enough')
    elif then == 'ping':
        session.engine.ping(b'sign')


def result(engine: Any, data: Input) -> dict[str, Any]:
    """What one engine makes of the input, with what may differ taken out."""
    session = Session(engine, data.limits, data.terms, then=lambda session: act(session, data.then))
    if data.closes_first:
        session.engine.close(1000)
    session.feed(*data.pieces)
    before = (session.engine.phase, session.engine.held)
    if data.ends:
        session.engine.receive_eof()
        session.settle()
    told_by = len(session.told)
    while session.engine.held:
        session.engine.held = False
        session.engine.receive(b'')
        session.settle()
    # Of our close frame only the code: what wsproto says of a fault is put in words of ours, but fewer of them.
    sent = [(f.opcode, f.payload[:2] if f.opcode == CLOSE else f.payload, f.fin, f.rsv) for f in session.frames]
    ended = session.recorder.closed
    fault = ended is not None and ended[0] in (1002, 1007, 1009) and session.close_code == ended[0]
    return {
        'told': (session.told, told_by),
        'sent': sent,
        'state': (*before, session.engine.phase, session.engine.closing),
        'ended': ended and (ended[0], None if fault or data.closes_first or data.then == 'close' else ended[1]),
    }


def disagreement(data: Input) -> str | None:
    """What the engines disagree about, or None."""
    (name, first), (other_name, other) = [(name, result(engine, data)) for name, engine in WEBSOCKET_ENGINES.items()]
    if first['ended'] and first['ended'][0] == UNKNOWN_TO_WSPROTO:
        return None
    if (
        data.terms
        and data.terms.client_window_bits < 15
        and 1007 in [r['ended'] and r['ended'][0] for r in (first, other)]
    ):
        # Whether zlib sees that a client went back beyond its window depends on the pieces it gets.
        return None
    for key, value in first.items():
        if other[key] != value:
            return f'{key}\n  {name}: {value!r}\n  {other_name}: {other[key]!r}'
    return None


def some_message(choices: Choices, client: Deflate | None) -> list[bytes]:
    """The frames of a message, more or less right, perhaps with control frames between."""
    opcode = choices.pick([TEXT, BINARY])
    payload = choices.pick(TEXTS if opcode == TEXT else PAYLOADS) * choices.number(1, 3)
    rsv = 0
    if client is not None and choices.chance(60):
        payload, rsv = client.deflated(payload), 4
    cuts = sorted({choices.number(0, len(payload)) for _ in range(choices.number(0, 3))})
    parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    frames = []
    for n, part in enumerate(parts):
        if n and choices.chance(20):
            frames.append(control(choices))
        frames.append(
            frame(
                CONTINUATION if n else opcode,
                part,
                fin=(n == len(parts) - 1) != choices.chance(2),
                rsv=(0 if n else rsv) ^ (choices.number(1, 7) if choices.chance(1) else 0),
                mask=None if choices.chance(1) else bytes(choices.number(0, 255) for _ in range(4)),
                form=choices.pick([None, 2, 8]) if choices.chance(2) and len(part) < 65536 else None,
            )
        )
    return frames


def control(choices: Choices) -> bytes:
    kind = choices.number(0, 9)
    if kind < 7:
        return frame(choices.pick([PING, PONG]), choices.pick(PAYLOADS[:-2]))
    if kind < 9:
        return frame(
            CLOSE,
            choices.mostly([b'\x03\xe8', b'', b'', b'x', *CODES], 30)
            + choices.pick([b'', b'bye', *TEXTS]) * choices.number(0, 1),
        )
    return frame(choices.pick(OPCODES), choices.pick(PAYLOADS), fin=choices.chance(80))


def make_input(choices: Choices) -> Input:
    agreed = choices.pick(TERMS)
    client = Deflate(agreed) if agreed else None
    frames: list[bytes] = []
    for _ in range(choices.number(1, 6)):
        frames += some_message(choices, client) if choices.chance(75) else [control(choices)]
    raw = b''.join(frames)
    if choices.chance(30):
        at = choices.number(0, len(raw))
        raw = raw[:at] + choices.pick(TOKENS) + raw[at + choices.number(0, 3) :]
    return Input(
        cut(choices, raw, frames),
        choices.pick([LIMITS, SMALL]),
        agreed,
        choices.pick([*THEN]),
        choices.chance(10),
        choices.chance(30),
    )


def cut(choices: Choices, raw: bytes, frames: list[bytes]) -> tuple[bytes, ...]:
    if choices.chance(30) and b''.join(frames) == raw:
        return tuple(frames)
    if choices.chance(20):
        return tuple(byte_by_byte(raw))
    places = sorted({choices.number(0, len(raw)) for _ in range(choices.number(0, 4))})
    return tuple(raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True) if a < b)


@st.composite
def inputs(draw: st.DrawFn) -> Input:
    return make_input(Choices(lambda low, high: draw(st.integers(low, high))))


def random_input(source: random.Random) -> Input:
    return make_input(Choices(source.randint))
