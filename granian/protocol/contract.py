"""The engine contract: one connection as a sans-IO state machine.

    bytes from the socket ──▶ receive() ──▶ EngineEvents.on_request / on_body / on_body_end / on_gone / on_refused
    respond() / start() / write() / finish() ──▶ output ──▶ bytes for the socket

One request and its response share a `stream` number. HTTP/1 counts requests and has one stream open at a time.
Nothing here knows sockets, clocks, loops or applications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from granian.protocol.responses import ResponseHead

Field = tuple[bytes, bytes]
Fields = list[Field]

# `RequestHead.content_length` of a body whose end is marked in the body itself.
CHUNKED = -1


class RequestHead:
    """A whole, valid request head. Shared between equal requests: never change one."""

    __slots__ = (
        'absolute',  # the target named scheme and authority itself (RFC 9112 3.2.2)
        'authority',  # bytes, or None where neither target nor Host names one
        'content_length',  # 0: no body · n: n bytes · CHUNKED
        'expects_continue',  # the client waits for a 100 before it sends the body (RFC 9110 10.1.1)
        'fields',  # list of (lower-case name, value), in order, repeats kept
        'keep_alive',  # the client allows another request after this one
        'kept',  # what an adapter made of this head, for when it or one like it comes again; None at first
        'like',  # (head, field): the fields are those of `head` but for this one, of a name `head` has too; or None
        'method',  # str, as sent
        'path',  # str: raw_path percent-decoded as UTF-8, faults as U+FFFD
        'query',  # bytes after the first '?'
        'raw_path',  # bytes before the first '?'
        'upgrade',  # lower-case protocols the client would change to (RFC 9110 7.8, RFC 8441 4), as sent; or b''
        'version',  # '1.0' | '1.1' | '2'
    )
    method: str
    raw_path: bytes
    path: str
    query: bytes
    version: str
    absolute: bool
    fields: Fields
    authority: bytes | None
    content_length: int
    expects_continue: bool
    keep_alive: bool
    upgrade: bytes
    kept: Any
    like: tuple[RequestHead, Field] | None


class Refusal(Exception):  # noqa: N818
    """A request that is not served. `reason` is a constant phrase: it goes to the log and into the answer.

    HTTP/1 answers each. HTTP/2 answers all but 400, which is a malformed request: RST_STREAM (PROTOCOL_ERROR).
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class EngineEvents(Protocol):
    """What an engine tells its connection. Called from within `receive`, `receive_eof` and `refuse` only."""

    def on_request(self, stream: int, head: RequestHead, body: bytes, ended: bool) -> None:
        """A request begins. `body` is what came along with the head; `ended`: that is all of it. Nothing by name, which costs more."""

    def on_body(self, stream: int, data: bytes) -> None:
        """More of the body, never empty."""

    def on_body_end(self, stream: int, trailers: Fields) -> None:
        """The body is whole. Called once, unless `on_request` said `ended`."""

    def on_gone(self, stream: int, reason: str, status: int = 0) -> None:
        """Nothing more comes of the request: the client left, or broke the framing of its body.

        `status`: what the engine answered in the application's place, if it did.
        """

    def on_refused(self, refusal: Refusal, request_line: bytes) -> None:
        """A request was refused and answered; no exchange was begun for it."""


class Engine(Protocol):
    """One connection. A call that the state does not allow raises `granian.errors.FlowError` and sends nothing."""

    # Whom it tells; NOBODY once the connection is over, so that the two do not hold each other.
    events: EngineEvents
    # Bytes for the socket, in order. The caller empties it.
    output: list[bytes]
    # True: read no more from the socket for now (see `took`).
    paused: bool
    # True: nothing more will be read or served; close once `output` is sent.
    closing: bool
    # True, besides `closing`: close by a reset, since an orderly end would make a cut body look whole.
    broken: bool
    # True, besides `closing`: the client has said all it will, and all of it was read: nothing need be waited for.
    heard_out: bool
    # True: more input waits inside; call `receive(b'')`, not from within an application.
    pending: bool

    @property
    def phase(self) -> str:
        """'idle' between requests · 'head' inside one · 'body' while the client may be sending one · 'busy' otherwise."""

    def receive(self, data: bytes) -> None:
        """Bytes from the socket, or b'' to go on with those already here."""

    def receive_eof(self) -> None:
        """The peer sends no more."""

    def took(self, stream: int, count: int) -> None:
        """The application took `count` body bytes: room for as many more."""

    def respond(self, stream: int, response: ResponseHead, body: bytes) -> None:
        """A whole response in one call. Heads come checked from `responses.response_head`."""

    def start(self, stream: int, response: ResponseHead) -> None:
        """The final head of a response whose body follows by `write` and `finish`."""

    def write(self, stream: int, data: bytes) -> None:
        """Some of the body. More than was declared: FlowError, and the stream is cut."""

    def skip(self, stream: int, count: int) -> bool:
        """Count `count` bytes of the body as written: the caller sends just as many of its own right after `output`.

        False: nothing was counted, since the body does not go as it is (chunks, HEAD): `write` it. Too many: as `write`.
        """

    def finish(self, stream: int, trailers: Iterable[Field] = ()) -> None:
        """The end of the response. Less than was declared: FlowError, and the stream is cut."""

    def inform(self, stream: int, status: int, fields: Sequence[Field] = ()) -> None:
        """An interim response: 100, 103. Left out where the client would not understand it (HTTP/1.0)."""

    def upgrade(self, stream: int, response: ResponseHead) -> None:
        """Go over to bytes both ways, with a head of `responses.upgrade_head`: 101, or 200 to an extended CONNECT.

        After it `on_body` brings what the client sends, `paused` and `took` as for bodies; `write` sends; `finish` ends it,
        and on HTTP/1 the connection with it. `phase` is 'busy'. FlowError where the client asked for no such thing, or its
        request has a body.
        """

    def abort(self, stream: int) -> None:
        """Cut the response so that the client can tell it is not whole."""

    def refuse(self, status: int, reason: str) -> None:
        """Answer what is being read with `status` (a deadline, say), then close."""

    def drain(self) -> None:
        """Serve what has begun, then close; an idle connection closes now."""


class MultiplexedEvents(EngineEvents, Protocol):
    """What an engine tells a connection that has many streams open at once."""

    def on_room(self, stream: int) -> None:
        """A stream that was blocked takes more of its body again. Called from within `produce`."""

    def on_much_output(self) -> None:
        """As much was put out as may be, with more at hand: it may be sent now. Called from within `respond`."""


class _Nobody:
    """Hears nothing."""

    def _ignore(self, *_: object, **__: object) -> None:
        pass

    on_request = on_body = on_body_end = on_gone = on_refused = on_room = on_much_output = _ignore


NOBODY: MultiplexedEvents = _Nobody()


class MultiplexedEngine(Engine, Protocol):
    """A connection with many streams at once (HTTP/2). `write` keeps what flow control does not let go yet.

    Heads and control frames go to `output` at once, bodies by `produce`: so whoever owns the socket decides how much of them
    waits there, and a large one never stands before a small one of another stream. A small whole response may go at once
    where no body waits, up to 128 KiB of them until `produce` is called again. After `on_gone` nothing more can be sent.
    """

    events: MultiplexedEvents
    # PINGs of ours that were not answered yet.
    pings_owed: int
    # Requests that were begun and whose response is not whole yet.
    streams_open: int

    @property
    def partial(self) -> bool:
        """Whether part of a frame or of a header block has come: only then may `phase` be 'head'."""

    @property
    def sendable(self) -> bool:
        """Whether body bytes wait that flow control lets go: call `produce` when the socket takes more."""

    @property
    def stalled(self) -> bool:
        """Whether body bytes wait of which flow control lets none go."""

    @property
    def waiting(self) -> int:
        """Body bytes that wait, of all streams together."""

    @property
    def full(self) -> bool:
        """Whether so much of so many bodies waits that no further request should be begun: a body may be any size."""

    @property
    def progress(self) -> int:
        """Body bytes that were put out so far, all streams together."""

    def produce(self, count: int) -> bool:
        """Put out about `count` bytes of bodies, the streams by turns; whether some wait still."""

    def is_blocked(self, stream: int) -> bool:
        """Whether as much of the stream's body waits as may: on a `full` connection, any at all. `on_room` follows."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def flow(self, stream: int) -> tuple[int, int]:
        """Body bytes of a stream that were put out so far, and those that wait; (0, 0) for one that is over."""

    def take_over(self, head: RequestHead, settings: bytes) -> None:
        """Go on from an HTTP/1.1 request that asked for `h2c` (RFC 7540 3.2): it is stream 1, whole, and begins here.

        `settings`: the decoded HTTP2-Settings. Called before anything is received: the client's preface follows, and the
        101 is the caller's. Raises Refusal where the settings are none; nothing has happened then.
        """

    def farewell(self) -> None:
        """Tell the client to begin nothing more; what is on its way is still served (RFC 9113 6.8). `drain` follows."""


class ResponseDefaults:
    """The fields every response gets unless the application gave them. Whoever has a clock keeps `date` current."""

    __slots__ = ('date', 'date_block', 'date_value', 'end', 'server', 'server_value')
    # Whole lines: b'server: granian\r\n', b'date: Tue, 15 Nov 1994 08:12:31 GMT\r\n' (RFC 9110 6.6.1), or b'' for none.
    server: bytes
    date: bytes
    # Both, and the empty line that ends a head.
    end: bytes
    # Their values alone.
    server_value: bytes
    date_value: bytes
    # The date as HPACK has it, b'' until somebody needs it.
    date_block: bytes

    def __init__(self, server: bytes = b'granian', date: bytes = b'') -> None:
        self.server_value = server
        self.server = b'server: %b\r\n' % server if server else b''
        self.tell(date)

    def tell(self, date: bytes) -> None:
        """Set the date, an IMF-fixdate."""
        self.date_value = date
        self.date_block = b''
        self.date = b'date: %b\r\n' % date if date else b''
        self.end = b'%b%b\r\n' % (self.server, self.date)
