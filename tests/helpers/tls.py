"""TLS for `tests.helpers.serving`: what a listener is told, and a client that speaks it over a raw socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from granian.server.settings import TlsSettings
from granian.tls_terms import CIPHERS, ClientTrust, ContextTerms, Identity
from tests.helpers.certificates import Authority, Issued

if TYPE_CHECKING:
    from pathlib import Path

TERMS = ContextTerms(min_version='1.2', ciphers=CIPHERS, alpn=('http/1.1',), tickets=True, clients=None)


@cache
def authority() -> Authority:
    """The one that tests trust unless they say otherwise."""
    return Authority('root')


@cache
def site() -> Issued:
    return authority().issue('localhost')


def tls_settings(
    folder: Path, issued: Issued | None = None, *, clients: ClientTrust | None = None, **changes: Any
) -> TlsSettings:
    """For `Served(tls=…)`; `changes` to TlsSettings or its terms."""
    certificate, key = (issued or site()).write(folder, 'site')
    of_terms = {name: changes.pop(name) for name in ('min_version', 'ciphers', 'alpn', 'tickets') if name in changes}
    settings = TlsSettings(
        identity=Identity(str(certificate), str(key)),
        named=(),
        terms=replace(TERMS, clients=clients, **of_terms),
        handshake_s=10.0,
        handshakes_max=100,
        reload_s=3600.0,
    )
    return replace(settings, **changes)


class TlsPeer:
    """A client's side of TLS without its socket."""

    def __init__(
        self, context: ssl.SSLContext, name: str | None = 'localhost', session: ssl.SSLSession | None = None
    ) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)

    def hello(self) -> bytes:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return self.outgoing.read()
        raise AssertionError('done without a server')


def finite_field_hello(raw: bytes, *, begun: bool) -> bytes:
    """What a client says of its curves in its first message said of ffdhe8192 (RFC 7919); `begun`: with a share."""
    share = b'\x01\x04\x04\x00' + b'\x02' * 1024 if begun else b''
    changed = {10: b'\x00\x02\x01\x04', 51: len(share).to_bytes(2, 'big') + share}
    # Behind the heads of record and message: version, random, session, ciphers, compressions; then the length of the extensions.
    at = 43 + 1 + raw[43]
    at += 4 + int.from_bytes(raw[at : at + 2], 'big')
    before, extensions = raw[9:at], b''
    at += 2
    while at < len(raw):
        kind, end = int.from_bytes(raw[at : at + 2], 'big'), at + 4 + int.from_bytes(raw[at + 2 : at + 4], 'big')
        content = changed.get(kind, raw[at + 4 : end])
        extensions += raw[at : at + 2] + len(content).to_bytes(2, 'big') + content
        at = end
    body = before + len(extensions).to_bytes(2, 'big') + extensions
    message = b'\x01' + len(body).to_bytes(3, 'big') + body
    return b'\x16\x03\x01' + len(message).to_bytes(2, 'big') + message


def client_class(base: type) -> type:
    """`Client` of `serving`, over TLS. What the server cuts without close_notify is a ConnectionResetError."""

    class TlsClient(base):
        def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
            super().__init__(sock, loop)
            self.peer: TlsPeer | None = None
            self._after_hello = b''
            self._decrypted = b''

        def begin(self, data: bytes) -> None:
            self.peer = TlsPeer(authority().client_context())
            super().begin(self.peer.hello())
            self._after_hello = data

        async def go_on(self) -> None:
            await self._agree()
            await self.send(self._after_hello)

        async def handshake(self, context: ssl.SSLContext | None = None, **how: Any) -> TlsClient:
            self.peer = TlsPeer(context or authority().client_context(), **how)
            return await self._agree()

        async def _agree(self) -> TlsClient:
            while True:
                try:
                    self.peer.tls.do_handshake()
                except ssl.SSLWantReadError:
                    await self.flush()
                    await self.feed()
                else:
                    await self.flush()
                    return self

        async def raw_send(self, data: bytes) -> None:
            await super().send(data)

        async def raw_more(self, count: int = 65536) -> bytes:
            return await super().more(count)

        async def flush(self) -> None:
            if self.peer.outgoing.pending:
                await super().send(self.peer.outgoing.read())

        async def feed(self) -> None:
            data = await super().more()
            if not data:
                raise ConnectionResetError('cut without close_notify')
            self.peer.incoming.write(data)

        async def send(self, data: bytes) -> None:
            view = memoryview(data)
            while view:
                self.peer.tls.write(view[:65536])
                view = view[65536:]
                await self.flush()

        async def more(self, count: int = 65536) -> bytes:
            if self._decrypted:
                data, self._decrypted = self._decrypted, b''
                return data
            while True:
                try:
                    return self.peer.tls.read(count)
                except ssl.SSLWantReadError:
                    await self.feed()
                except ssl.SSLZeroReturnError:
                    return b''

        def say_end(self) -> None:
            """close_notify; what the server has still to say can be read."""
            with contextlib.suppress(ssl.SSLError):
                # Where there is data to be read still, OpenSSL takes it for a fault and reads nothing more.
                while data := self.peer.tls.read():
                    self._decrypted += data
            with contextlib.suppress(ssl.SSLError):
                self.peer.tls.unwrap()
            self.sock.send(self.peer.outgoing.read())

        def half_close(self) -> None:
            self.say_end()
            self.sock.shutdown(socket.SHUT_WR)

    return TlsClient
