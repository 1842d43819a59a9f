"""All the certificates and keys of a listener, loaded at one time, and the choice among them by the host a client names."""

from __future__ import annotations

import os
from operator import attrgetter
from typing import TYPE_CHECKING

from granian import certificates

if TYPE_CHECKING:
    import ssl

    from granian.server.settings import TlsSettings

DAY_S = 86400
# Certificates are warned about so long before their end, those of a short life in the last sixth of it.
WARN_BEFORE_S = 14 * DAY_S
WARN_PART = 6
Stamp = tuple[tuple[int, ...], ...]


class Credentials:
    """All the files of a listener, loaded at one time. Raises CertificateFault."""

    def __init__(self, settings: TlsSettings) -> None:
        self.stamp = stamp_of(settings)
        self._by_host: dict[str, ssl.SSLContext] = {}
        first = certificates.context_of(settings.identity, settings.terms)
        loaded = [first]
        for hosts, identity in settings.named:
            loaded.append(certificates.context_of(identity, settings.terms, hosts))
            self._by_host |= dict.fromkeys(hosts, loaded[-1].context)
        self._default = first.context
        if self._by_host:
            self._default.sni_callback = self._choose
        # TLS 1.3 has tickets alone.
        self._remembers = settings.terms.tickets or settings.terms.min_version == '1.3'
        self._terms = settings.terms
        # Clients are asked for a certificate, or for none.
        self.ask_clients = settings.terms.clients is not None
        # Signing with an RSA key takes long enough to be worth a thread.
        self.offloads = any(each.has_rsa_key for each in loaded)
        self._oddities = sorted({each for one in loaded for each in one.oddities})
        self._ends = {end for each in loaded for end in each.ends}
        self._pem_by_context = {id(each.context): each.pem for each in loaded}
        # By name. OpenSSL's numbers have the protocol's version in front; to ask it takes as long as a request.
        self.cipher_numbers = {cipher['name']: cipher['id'] & 0xFFFF for cipher in first.context.get_ciphers()}

    def context(self) -> ssl.SSLContext:
        """For a handshake that begins."""
        if self._remembers:
            return self._default
        front = certificates.without_memory(self._default, self._terms)
        front.sni_callback = self._choose
        return front

    def pem_of(self, context: ssl.SSLContext) -> str:
        """The certificate that clients of that context are shown."""
        return self._pem_by_context[id(context)]

    def _choose(self, tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        """RFC 6066 3: the certificate for the host that the client names."""
        chosen = self._context_for(name.lower().rstrip('.')) if name else None
        if chosen is not None or not self._remembers:
            tls.context = chosen or self._default

    def _context_for(self, name: str) -> ssl.SSLContext | None:
        if name in self._by_host:
            return self._by_host[name]
        while '.' in name:
            name = name.partition('.')[2]
            if f'*.{name}' in self._by_host:
                return self._by_host[f'*.{name}']
        return None

    def warnings(self, now_s: float) -> list[str]:
        """What ends soon, or has ended, or will not suit every client."""
        found = self._oddities.copy()
        for end in sorted(self._ends, key=attrgetter('end_s', 'path')):
            left_s = end.end_s - now_s
            if left_s < 0:
                found.append(f"'{end.path}' has expired on {certificates.utc(end.end_s)}")
            elif left_s < min(WARN_BEFORE_S, (end.end_s - end.begin_s) / WARN_PART):
                found.append(f"'{end.path}' expires on {certificates.utc(end.end_s)}, in {_span(left_s)}")
        return found


def stamp_of(settings: TlsSettings) -> Stamp:
    """What changes when one of the files does. A file that is not there counts too."""
    return tuple(map(_stat, _paths(settings)))


def are_kept_from_us(settings: TlsSettings) -> bool:
    """Whether the permissions of one of the files, or of a folder of theirs, do not let this process read it."""
    return any(map(_is_denied, _paths(settings)))


def _paths(settings: TlsSettings) -> list[str]:
    clients = settings.terms.clients
    identities = (settings.identity, *(identity for _, identity in settings.named))
    paths = [path for each in identities for path in (each.certificate, each.key)]
    return paths if clients is None else [*paths, clients.authorities, *clients.revocations]


def _is_denied(path: str) -> bool:
    try:
        # Not waiting for whoever writes into a pipe.
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _stat(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116  (as all of `os` here: in a thread, or at the start)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _span(seconds: float) -> str:
    return f'{seconds / DAY_S:.0f} days' if seconds > 2 * DAY_S else f'{seconds / 3600:.0f} hours'
