"""TLS of one listener: the certificates in use, their replacement when the files change, and what its handshakes share."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from granian.certificates import CertificateFault
from granian.server.tls.credentials import DAY_S, Credentials, Stamp, are_kept_from_us, stamp_of
from granian.server.tls.handshake import Handshake
from granian.server.tls.handshake_gate import HandshakeGate
from granian.server.tls.threads import WorkThreads

if TYPE_CHECKING:
    from granian.server.service import Service
    from granian.server.settings import TlsSettings

logger = logging.getLogger('_granian')

# Workers may be users who cannot read what the supervisor can.
READ_BY_SUPERVISOR = ' by this worker; a reload has the supervisor read it'


class TlsListener:
    """What the handshakes of one listener share. `start` and `stop`: once each, on the loop."""

    def __init__(self, service: Service, settings: TlsSettings, credentials: Credentials | None) -> None:
        """Raises CertificateFault."""
        self.service = service
        self.settings = settings
        self.gate = HandshakeGate(service.loop, service.wheel, settings.handshakes_max)
        # What may be agreed on.
        self.protocols = frozenset([name.encode() for name in settings.terms.alpn])
        # Files that could not be used: seen once, and said.
        self._suspect: Stamp | None = None
        self._refused: Stamp | None = None
        # For handshakes that begin now.
        self.credentials = Credentials(settings) if credentials is None else self._current(credentials)
        # For handshakes, and for files.
        self.threads = WorkThreads(service.loop)
        self._pool: ThreadPoolExecutor | None = None
        self._buffers = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._timer: asyncio.TimerHandle | None = None
        self._reloading: asyncio.Task[bool] | None = None
        self._warn_at_s = 0.0

    @property
    def pool(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix='granian-tls-files')
        return self._pool

    def buffers(self, credentials: Credentials) -> tuple[ssl.MemoryBIO, ssl.MemoryBIO]:
        """What comes and what goes of a new connection, between its socket and OpenSSL.

        All use the same in turn, and leave them empty: each keeps as much memory as it ever held. A thread needs its own.
        """
        return (ssl.MemoryBIO(), ssl.MemoryBIO()) if credentials.offloads else self._buffers

    def protocol(self) -> Handshake:
        """For one accepted socket."""
        return Handshake(self)

    def _current(self, given: Credentials) -> Credentials:
        """Those that were loaded before, unless they are out of date by now."""
        stamp = stamp_of(self.settings)
        if given.stamp == stamp:
            return given
        if are_kept_from_us(self.settings):
            # The supervisor is another user, and has read them.
            self._suspect = self._refused = stamp
            logger.info(
                'TLS certificates of %s: this worker may not read the files; a reload takes renewed ones', self._where
            )
            return given
        try:
            return Credentials(self.settings)
        except CertificateFault as exc:
            logger.error('TLS certificates of %s stay as they were: %s: %s', self._where, exc.key, exc)
            return given

    # ── the files ────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Look at the files from now on."""
        self._warn()
        self._timer = self.service.loop.call_later(self.settings.reload_s, self._look)

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.wait({self._reloading})
        self.gate.stop()
        self.threads.stop()
        if self._pool is not None:
            self._pool.shutdown(wait=False)

    def _look(self) -> None:
        self._timer = self.service.loop.call_later(self.settings.reload_s, self._look)
        if self._reloading is None or self._reloading.done():
            self._reloading = self.service.loop.create_task(self.reload())
        if time.time() >= self._warn_at_s:
            self._warn()

    async def reload(self, *, insist: bool = False) -> bool:
        """Use the files if they have changed; whether they are in use now.

        Faulty ones are said when they are still so at the next look, for somebody may be at it. `insist`: at once.
        """
        loop = self.service.loop
        stamp = await loop.run_in_executor(self.pool, stamp_of, self.settings)
        if stamp == self.credentials.stamp:
            return True
        if stamp == self._refused and not insist:
            return False
        try:
            self.credentials = await loop.run_in_executor(self.pool, Credentials, self.settings)
        except CertificateFault as exc:
            kept = await loop.run_in_executor(self.pool, are_kept_from_us, self.settings)
            reason = f'{exc.key}: {exc}{READ_BY_SUPERVISOR if kept else ""}'
            self._refuse(stamp, reason, insist=insist)
            return False
        logger.info('TLS certificates of %s were replaced', self._where)
        self._warn()
        return True

    def _refuse(self, stamp: Stamp, reason: str, *, insist: bool) -> None:
        if insist or stamp == self._suspect:
            self._refused = stamp
            logger.error('TLS certificates of %s stay as they were: %s', self._where, reason)
        self._suspect = stamp

    def _warn(self) -> None:
        now_s = time.time()
        self._warn_at_s = now_s + DAY_S
        for warning in self.credentials.warnings(now_s):
            logger.warning('TLS certificate of %s: %s', self._where, warning)

    @property
    def _where(self) -> str:
        host, port = self.service.address
        return host if port is None else f'{host}:{port}'
