"""One request and its response, the same class whatever the HTTP version: all that an adapter sees of a connection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from granian import file_sending
from granian.errors import ClientDisconnected, InvalidResponse
from granian.protocol.responses import response_head

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

    from granian.protocol.contract import Engine, Field, Fields, RequestHead
    from granian.protocol.responses import ResponseHead

_FAILURE = response_head(500, [])
_CUT_OFF = response_head(400, [(b'content-type', b'text/plain; charset=utf-8'), (b'connection', b'close')])
_TOO_LARGE = response_head(413, [(b'content-type', b'text/plain; charset=utf-8'), (b'connection', b'close')])
_NO_TRAILERS: Fields = []


class TlsFacts(Protocol):
    """What is known of an encrypted connection."""

    @property
    def asgi(self) -> dict[str, Any]:
        """As ASGI's extension `tls` tells it."""

    @property
    def environ(self) -> dict[str, str]:
        """As WSGI applications are told."""


class ConnectionInfo:
    """Who talks to whom, as an exchange tells it: behind a trusted proxy, that is the client and what it asked.

    Addresses are (host, port), or (path, None) for a Unix socket's server side. Never changed once it is shared.
    """

    __slots__ = ('client', 'derived', 'is_relayed', 'kept', 'prefix', 'scheme', 'server', 'tls')

    def __init__(
        self,
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
        scheme: str,
        prefix: str = '',
        tls: TlsFacts | None = None,
    ) -> None:
        self.client = client
        self.server = server
        self.scheme = scheme
        # What a proxy took off the path: ASGI and WSGI applications are told of it as a part of their root path.
        self.prefix = prefix
        self.tls = tls
        # `client` is a proxy that only passes on what somebody says whom it did not name; or nobody knows who it is.
        self.is_relayed = False
        # The claim of a proxy that was heard last on this connection, and what it made of this.
        self.derived: tuple[object, ConnectionInfo] | None = None
        # An adapter, and what it made of this for its next request here.
        self.kept: tuple[object, Any] | None = None

    def seen_as(
        self, client: tuple[str, int] | None, server: tuple[str, int | None] | None, scheme: str, prefix: str
    ) -> ConnectionInfo:
        """The same connection, as a proxy tells it."""
        return ConnectionInfo(client, server, scheme, prefix, self.tls)


class Terms:
    """What the mount that answers asks for beyond what its server does; None: nothing."""

    __slots__ = ('body_bytes_max', 'body_read_s', 'dress', 'write_s')

    def __init__(
        self,
        *,
        body_bytes_max: int | None,
        body_read_s: float | None,
        write_s: float | None,
        dress: Callable[[ResponseHead], ResponseHead] | None,
    ) -> None:
        self.body_bytes_max = body_bytes_max
        self.body_read_s = body_read_s
        self.write_s = write_s
        # What each final head goes through.
        self.dress = dress


class Passage(Protocol):
    """A way from a file to the client that no byte takes through this process."""

    # False: it copies after all.
    may_map: bool

    def send(self, descriptor: int, offset: int, count: int) -> int:
        """Hand over bytes of a file: how many were taken. 0: the carrier is `blocked`, or the file has ended.

        Raises ClientDisconnected, and OSError for a file that cannot be read.
        """

    def close(self) -> None:
        """No more comes this way."""


class Carrier(Protocol):
    """What an exchange needs of the connection that carries it."""

    loop: asyncio.AbstractEventLoop
    info: ConnectionInfo

    @property
    def inside(self) -> bool:
        """Whether what is put out now leaves by itself, at the end of the read that got us here."""

    @property
    def blocked(self) -> bool:
        """Whether the socket takes no more for now."""

    def flush(self) -> None:
        """Send what the engine has put out."""

    def passage(self) -> Passage | None:
        """`flush`, then a way for files, to be closed before anything else is sent; None where bytes need more than moving."""

    def made_room(self) -> None:
        """The application took some of the body: perhaps the socket may be read again."""

    def asked_for_body(self) -> None:
        """The client is told to send the body it held back: its time begins to run."""

    def upgraded(self, exchange: Exchange) -> None:
        """It goes on in another protocol, perhaps for days."""

    def completed(self, exchange: Exchange) -> None:
        """The response is whole, or cut."""


class Successor(Protocol):
    """Who goes on with an exchange that was upgraded. Called from within the carrier's reading and writing."""

    def on_bytes(self, data: bytes) -> bool:
        """Bytes from the client. True: taken. False: kept, and `exchange.took` follows; meanwhile few more come."""

    def on_change(self) -> None:
        """Something else happened: it is `gone` or `lost`, or its carrier is not `blocked` any more."""


class Exchange:
    """Reading: `take`, `read`. Answering: `respond`, or `start` · `write` … · `finish`. Then `done`.

    Calls that send raise ClientDisconnected once `lost`, InvalidResponse for what HTTP does not allow, and FlowError
    for what comes out of order.
    """

    __slots__ = (
        '_chunks', '_engine', '_room', '_stream', '_told_continue', '_waiters',
        'body_ended', 'carrier', 'done', 'gone', 'head', 'info', 'lost', 'started', 'started_at_s', 'status', 'successor',
        'terms', 'trailers',
    )  # fmt: skip

    def __init__(
        self, carrier: Carrier, engine: Engine, stream: int, head: RequestHead, body: bytes, body_ended: bool
    ) -> None:
        # Nothing by name: that would cost a third of making one.
        self.carrier = carrier
        # Who asks: the connection's peer, unless a trusted proxy says otherwise.
        self.info = carrier.info
        self._engine = engine
        self._stream = stream
        self.head = head
        self._chunks = [body] if body else []
        self.body_ended = body_ended
        # The client sends nothing more: nobody may be there to read the response.
        self.gone = False
        # Nothing more can be sent.
        self.lost = False
        # A final head was sent.
        self.started = False
        # The response is whole, or was cut.
        self.done = False
        self.status = 0
        self.trailers = _NO_TRAILERS
        self.started_at_s = 0.0
        self._told_continue = False
        self._waiters: tuple[asyncio.Future[None], ...] = ()
        self.terms: Terms | None = None
        # Not None: it was upgraded.
        self.successor: Successor | None = None
        # Body bytes that may still come, where the head does not say how many will.
        self._room: int | None = None

    def agree(self, terms: Terms | None) -> bool:
        """Go by these terms. False where the body is over their bound: that has been answered."""
        self.terms = terms
        self._room = None
        bound = None if terms is None else terms.body_bytes_max
        if bound is None:
            return True
        arrived = sum(map(len, self._chunks))
        if max(arrived, self.head.content_length) > bound:
            self.give_up(_TOO_LARGE, b'body too large\n')
            return False
        if not self.body_ended:
            self._room = bound - arrived
        return True

    def give_up(self, response: ResponseHead, body: bytes) -> None:
        """Answer in the application's place, which cannot go on; cut what it has begun."""
        if self.started:
            self.abort()
        elif not self.lost:
            self.respond(response, body)
        self.tell_gone(lost=True)

    # ── the request's body ───────────────────────────────────────────────────────────────────────────────────────

    def take(self) -> bytes:
        """All of the body that has arrived and was not taken yet; b'' if there is nothing."""
        chunks = self._chunks
        if not chunks:
            return b''
        data = chunks[0] if len(chunks) == 1 else b''.join(chunks)
        self._chunks = []
        self._engine.took(self._stream, len(data))
        self.carrier.made_room()
        return data

    @property
    def holds_body(self) -> bool:
        """Whether some of the body has arrived and was not taken."""
        return bool(self._chunks)

    @property
    def body_taken(self) -> bool:
        """Whether the body has ended and all of it was taken."""
        return self.body_ended and not self._chunks

    async def read(self) -> bytes:
        """The next piece of the body, b'' after the last. Raises ClientDisconnected if it will never be whole."""
        while not self._chunks:
            if self.body_ended:
                return b''
            if self.gone or self.done:
                raise ClientDisconnected('the request body was cut off')
            if self.holds_up_body:
                self._told_continue = True
                self._engine.inform(self._stream, 100)
                self.carrier.asked_for_body()
            await self.changed()
        return self.take()

    @property
    def holds_up_body(self) -> bool:
        """Whether the client may be waiting for a 100 before it sends the body (RFC 9110 10.1.1)."""
        return self.head.expects_continue and not (self._told_continue or self.started or self._chunks)

    # ── the response ─────────────────────────────────────────────────────────────────────────────────────────────

    def respond(self, response: ResponseHead, body: bytes) -> None:
        """Send a whole response."""
        if self.lost:
            self._check_open()
        if self.terms is not None and self.terms.dress is not None:
            response = self.terms.dress(response)
        self._engine.respond(self._stream, response, body)
        # As `_complete`, which would be a call more for each request.
        self.started = self.done = True
        self.status = response.status
        if self._waiters:
            self.wake()
        self.carrier.completed(self)

    def start(self, response: ResponseHead) -> None:
        """Send the head of a response; it leaves with the first `write`, or with `carrier.flush`."""
        self._check_open()
        if self.terms is not None and self.terms.dress is not None:
            response = self.terms.dress(response)
        self._engine.start(self._stream, response)
        self.started = True
        self.status = response.status

    def put(self, data: bytes) -> None:
        """Send some of the body, together with what follows: it leaves with the next `write`, or `carrier.flush`."""
        if self.lost:
            self._check_open()
        try:
            self._engine.write(self._stream, data)
        except InvalidResponse:
            self.abort()
            raise

    def outlet(self) -> Callable[[bytes], None]:
        """As `put`, for those who see that it is not `done` before each call, and `abort` at InvalidResponse."""
        return partial(self._engine.write, self._stream)

    def write(self, data: bytes) -> None:
        """Send some of the body. Await `writable` before the next call where `carrier.blocked`."""
        self.put(data)
        self.carrier.flush()

    async def send_file(self, file: BinaryIO | int, offset: int | None = None, count: int | None = None) -> None:
        """Send `count` bytes of a file from `offset` as some of the body: fewer where it ends sooner.

        None: from where it stands, which then moves on, and to its end. Raises OSError where it cannot be read.
        """
        await file_sending.send(self, file, offset, count)

    def skip(self, count: int) -> bool:
        """Count bytes of the body as sent, which a passage then must take. False: they must be written."""
        self._check_open()
        try:
            return self._engine.skip(self._stream, count)
        except InvalidResponse:
            self.abort()
            raise

    def finish(self, trailers: Iterable[Field] = ()) -> None:
        """End the body."""
        self._check_open()
        try:
            self._engine.finish(self._stream, trailers)
        except InvalidResponse:
            self.abort()
            raise
        self._complete(self.status)

    def inform(self, status: int, fields: Sequence[Field]) -> None:
        """Send an interim response (RFC 9110 15.2)."""
        self._check_open()
        self._engine.inform(self._stream, status, fields)
        self.carrier.flush()

    def upgrade(self, response: ResponseHead, successor: Successor) -> None:
        """Go over to bytes both ways: out by `put`, `write` and `finish`, in by the successor.

        `response` comes from `responses.upgrade_head`. FlowError where the client has not asked for it.
        """
        self._check_open()
        if self.terms is not None and self.terms.dress is not None:
            response = self.terms.dress(response)
        self._engine.upgrade(self._stream, response)
        self.started = True
        # RFC 8441 5: over HTTP/2 it is an ordinary success.
        self.status = 200 if self.head.version == '2' else response.status
        # HTTP/1 has had its end of a request; over HTTP/2 the stream may have ended already.
        self.body_ended = self.body_ended and self.head.version == '2'
        self.successor = successor
        self.carrier.upgraded(self)

    def catch_up(self) -> None:
        """Tell the successor what came before it was there (over HTTP/2 it may)."""
        early, self._chunks = self._chunks, []
        for data in early:
            self.tell_body(data)
        self.wake()

    def took(self, count: int) -> None:
        """Bytes that the successor has kept are dealt with."""
        self._engine.took(self._stream, count)
        self.carrier.made_room()

    def fail(self) -> None:
        """The application failed: 500 if nothing was sent yet, else cut the response so that the client can tell.

        400 where the request's body was never whole.
        """
        if self.done or self.lost:
            return
        if self.started:
            self.abort()
        elif self.gone and not self.body_ended:
            # The client has cut its own request off, and may still read.
            self.respond(_CUT_OFF, b'body cut off\n')
        else:
            self.respond(_FAILURE, b'Internal server error')

    def abort(self) -> None:
        """Cut the response."""
        if not self.done:
            self._engine.abort(self._stream)
            self.lost = True
            self._complete(self.status)

    async def writable(self) -> None:
        """Return once the socket takes more. Raises ClientDisconnected."""
        while self.carrier.blocked:
            self._check_open()
            await self.changed()
        self._check_open()

    async def over(self) -> None:
        """Return once the response is whole or the client is gone."""
        while not (self.done or self.gone):
            await self.changed()

    async def changed(self) -> None:
        """Return after the next thing that happens to this exchange."""
        waiter: asyncio.Future[None] = self.carrier.loop.create_future()
        self._waiters = (*self._waiters, waiter)
        try:
            await waiter
        finally:
            # Cancelled: some applications ask for a moment only, again and again.
            if self._waiters:
                self._waiters = tuple([each for each in self._waiters if each is not waiter])

    # ── what its connection tells it ─────────────────────────────────────────────────────────────────────────────

    def tell_body(self, data: bytes) -> None:
        if self.successor is not None:
            if self.successor.on_bytes(data):
                self._engine.took(self._stream, len(data))
            return
        if self._room is not None:
            self._room -= len(data)
            if self._room < 0:
                self.give_up(_TOO_LARGE, b'body too large\n')
                return
        self._chunks.append(data)
        self.wake()

    def tell_body_end(self, trailers: Fields) -> None:
        self.body_ended = True
        self.trailers = trailers
        self.wake()

    def tell_gone(self, *, lost: bool) -> None:
        self.gone = True
        self.lost = self.lost or lost
        self.wake()

    def wake(self) -> None:
        waiters = self._waiters
        if waiters:
            self._waiters = ()
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
        if self.successor is not None:
            self.successor.on_change()

    def _check_open(self) -> None:
        if self.lost:
            raise ClientDisconnected('the client is gone')

    def _complete(self, status: int) -> None:
        self.status = status
        self.done = True
        if self._waiters:
            self.wake()
        self.carrier.completed(self)
