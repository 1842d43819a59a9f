"""The handshake of one accepted socket: its deadline, its place among the others, its expensive step in a thread."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from typing import TYPE_CHECKING, cast

from granian.certificates import in_words
from granian.server.deadlines import NEVER
from granian.server.tls.facts import TlsFacts, comes_too_late
from granian.server.tls.hello import HelloReader, objection
from granian.server.tls.own_buffers import OwnBuffersPump
from granian.server.tls.pump import TlsPump

if TYPE_CHECKING:
    from granian.server.tls.listener import TlsListener

logger = logging.getLogger('_granian')

SPEAKS_TLS = (
    b'HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 38\r\nconnection: close\r\n\r\n'
    b'This port speaks TLS: use https:// URL'
)


class Handshake(asyncio.Protocol):
    """The socket's protocol until the peers agree; then a TlsPump is, and the connection begins."""

    __slots__ = (
        '_answered', '_credentials', '_held', '_hello', '_incoming', '_listener', '_outgoing', '_over', '_peer', '_peer_ended', '_tls',
        '_transport', 'check_at', 'deadline', 'working',
    )  # fmt: skip

    def __init__(self, listener: TlsListener) -> None:
        self._listener = listener
        self._held: list[bytes] = []
        # Until the first message is whole.
        self._hello: HelloReader | None = HelloReader()
        self._tls: ssl.SSLObject | None = None
        self.deadline = self.check_at = NEVER
        # A thread is at it: nothing here may touch what it works on.
        self.working = False
        # Something was sent: the expensive step is behind us.
        self._answered = False
        self._over = self._peer_ended = False

    # ── the transport's calls ────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast('asyncio.Transport', transport)
        # Asked for now: of a client that has left, nobody knows.
        self._peer = transport.get_extra_info('peername')
        service = self._listener.service
        service.connections.add(self)
        self._arm(self._listener.settings.handshake_s)
        if service.draining:
            self.drain()

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        if self._listener.service.draining and not self._heard_of:
            self._arm(self._listener.settings.handshake_s)
        self._held.append(data)
        if self.working:
            # Nobody who speaks TLS has more to say now.
            self._transport.pause_reading()
        elif self._tls is not None:
            self._listener.gate.heard(self)
            self._step()
        elif len(self._held) == 1:
            self._enter()

    def _enter(self) -> None:
        if self._listener.gate.enter(self):
            self._begin()
        else:
            self._transport.pause_reading()

    def begin(self) -> None:
        """There is room now."""
        if self._over:
            return
        self._transport.resume_reading()
        self._begin()

    def _begin(self) -> None:
        self._credentials = self._listener.credentials
        self._incoming, self._outgoing = self._listener.buffers(self._credentials)
        self._tls = self._credentials.context().wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._step()

    def eof_received(self) -> bool:
        self._peer_ended = True
        if not self.working:
            self._left()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        self._settle()
        self._listener.service.connections.discard(self)
        self._listener.service.connection_closed()

    def _left(self) -> None:
        if not self._over and self._heard_of:
            self._log('the client left')
        self._over = True

    @property
    def _heard_of(self) -> bool:
        """Whether the client has said anything: checks of ports and of health say nothing."""
        return bool(self._held) or self._tls is not None

    # ── the handshake ────────────────────────────────────────────────────────────────────────────────────────────

    def _feed(self) -> None:
        for data in self._held:
            self._incoming.write(data)
        self._held.clear()

    def _step(self) -> None:
        if self._hello is not None and self._is_turned_away(self._hello):
            return
        self._feed()
        if self._credentials.offloads and not self._answered:
            # The step that signs takes as long as many requests; OpenSSL lets go of the interpreter for it.
            self.working = True
            self._listener.threads.submit(self._advance, self._worked)
        else:
            self._came_to(self._advance())

    def _is_turned_away(self, reader: HelloReader) -> bool:
        """Look at the first message before OpenSSL does."""
        hello = reader.read(b''.join(self._held))
        if hello is None:
            return False
        self._hello = None
        found = objection(hello, self._listener.protocols)
        if found is not None:
            alert, reason = found
            self._transport.write(alert)
            self._end(reason)
        return self._over

    def _advance(self) -> ssl.SSLError | None:
        """One step; what it came to, None: it is done."""
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLError as exc:
            return exc
        return None

    def _worked(self, found: ssl.SSLError | None) -> None:
        self.working = False
        if self._over:
            return
        self._transport.resume_reading()
        self._came_to(found)
        if self._held and not self._over:
            self._step()

    def _came_to(self, exc: ssl.SSLError | None) -> None:
        if exc is None:
            self._done()
        elif isinstance(exc, ssl.SSLWantReadError):
            self._send()
        else:
            self._failed(exc)

    def _send(self) -> None:
        if self._outgoing.pending:
            self._answered = True
            self._transport.write(self._outgoing.read())

    def _done(self) -> None:
        tls = self._tls
        assert tls is not None
        if comes_too_late(tls, time.time()):
            self._forget_bytes()
            self._end('the certificate of the session has expired', is_refusal=True)
            return
        self._over = True
        if tls.version() != 'TLSv1.3':
            self._send()
        # RFC 8446 4.6.1: what is left to send in TLS 1.3 is a ticket, which nobody waits for. It leaves with the first answer.
        owed = self._outgoing.read()
        data = b''.join([self._incoming.read(), *self._held])
        self._held.clear()
        facts = TlsFacts(tls, self._credentials)
        kind = OwnBuffersPump if self._credentials.offloads else TlsPump
        pump = kind(self._transport, tls, (self._incoming, self._outgoing), facts, self._listener.service.loop)
        connection = self._listener.service.connection(tls.selected_alpn_protocol())
        self._settle()
        pump.start(connection, data, owed)
        # Not before the connection is there: somebody may wait for the last one.
        self._listener.service.connections.discard(self)

    def _settle(self) -> None:
        """Leave the place, and the wheel."""
        service = self._listener.service
        self.deadline = NEVER
        service.wheel.forget(self)
        self._listener.gate.leave(self)

    def _forget_bytes(self) -> None:
        """Others use the buffers next."""
        self._incoming.read()
        self._outgoing.read()

    def _failed(self, exc: ssl.SSLError) -> None:
        if exc.reason == 'HTTP_REQUEST':
            self._forget_bytes()
            self._transport.write(SPEAKS_TLS)
            self._end('it speaks HTTP without TLS')
            return
        self._send()
        self._forget_bytes()
        self._end(in_words(exc), is_refusal=isinstance(exc, ssl.SSLCertVerificationError) or exc.reason in REFUSALS)

    def _end(self, reason: str, *, is_refusal: bool = False) -> None:
        """Close once what was written has left."""
        self._log(reason, logging.WARNING if is_refusal else logging.INFO)
        self._over = True
        self._settle()
        self._transport.close()

    def fail(self, reason: str) -> None:
        """Give up now."""
        if self._heard_of:
            self._log(reason)
        self._over = True
        self._settle()
        self._listener.service.connections.discard(self)
        self._transport.abort()

    def _log(self, reason: str, level: int = logging.INFO) -> None:
        self._listener.service.tally.handshakes_failed += 1
        logger.log(level, 'TLS handshake with %s failed: %s', self._client, reason)

    @property
    def _client(self) -> str:
        if self._listener.service.is_unknown(self._peer):
            return 'a client that has left'
        if not isinstance(self._peer, tuple):
            return 'a client on a Unix socket'
        host = self._peer[0]
        return f'[{host}]:{self._peer[1]}' if ':' in host else f'{host}:{self._peer[1]}'

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _arm(self, after_s: float) -> None:
        wheel = self._listener.service.wheel
        self.deadline = wheel.now + after_s
        wheel.watch(self)

    def expired(self) -> None:
        self.fail(f'not done after {self._listener.settings.handshake_s:g} s')

    def drain(self) -> None:
        """A handshake that has begun goes on; who says nothing now is let go as soon as an idle connection is."""
        if not self._heard_of:
            self._arm(self._listener.service.drain_idle_s)

    def cut(self) -> None:
        self.fail('the server stops')


# What clients without the certificate that they need fail with.
REFUSALS = frozenset({'PEER_DID_NOT_RETURN_A_CERTIFICATE', 'CERTIFICATE_VERIFY_FAILED'})
