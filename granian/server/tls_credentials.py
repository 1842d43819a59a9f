"""All the certificates and keys of a listener, loaded at one time, and the choice among them by the host a client names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from granian import certificates
from granian.server.tls_facts import Served

if TYPE_CHECKING:
    import ssl

    from granian.server.settings import TlsSettings
    from granian.tls_terms import Identity

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
        self._served: dict[int, Served] = {}
        self.context = self._load(settings.identity, settings)
        for hosts, identity in settings.named:
            context = self._load(identity, settings)
            self._by_host |= dict.fromkeys(hosts, context)
        if self._by_host:
            self.context.sni_callback = self._choose
        identities = (settings.identity, *(identity for _, identity in settings.named))
        self.offloads = any(map(certificates.has_rsa_key, identities))
        self.ends = {end for each in identities for end in certificates.ends(each, settings.terms.clients)}

    def _load(self, identity: Identity, settings: TlsSettings) -> ssl.SSLContext:
        context = certificates.context_of(identity, settings.terms)
        self._served[id(context)] = Served(identity)
        return context

    def served_by(self, context: ssl.SSLContext) -> Served:
        return self._served[id(context)]

    def _choose(self, tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        """RFC 6066 3: the certificate for the host that the client names."""
        chosen = self._context_for(name.lower().rstrip('.')) if name else None
        if chosen is not None:
            tls.context = chosen

    def _context_for(self, name: str) -> ssl.SSLContext | None:
        if name in self._by_host:
            return self._by_host[name]
        while '.' in name:
            name = name.partition('.')[2]
            if f'*.{name}' in self._by_host:
                return self._by_host[f'*.{name}']
        return None

    def warnings(self, now_s: float) -> list[str]:
        """What ends soon, or has ended."""
        found = []
        for path, begin_s, end_s in sorted(self.ends):
            if end_s < now_s:
                found.append(f"'{path}' has expired on {certificates.utc(end_s)}")
            elif end_s - now_s < min(WARN_BEFORE_S, (end_s - begin_s) / WARN_PART):
                found.append(f"'{path}' expires on {certificates.utc(end_s)}, in {_span(end_s - now_s)}")
        return found


def stamp_of(settings: TlsSettings) -> Stamp:
    """What changes when one of the files does. A file that is not there counts too."""
    clients = settings.terms.clients
    identities = (settings.identity, *(identity for _, identity in settings.named))
    paths = [path for each in identities for path in (each.certificate, each.key)]
    if clients is not None:
        paths += [clients.authorities, *clients.revocations]
    return tuple(map(_stat, paths))


def _stat(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116  (as all of `os` here: in a thread, or at the start)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _span(seconds: float) -> str:
    return f'{seconds / DAY_S:.0f} days' if seconds > 2 * DAY_S else f'{seconds / 3600:.0f} hours'
