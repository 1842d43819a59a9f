"""What is known of one TLS connection, in the forms in which applications are told."""

from __future__ import annotations

import ssl
from functools import cached_property
from typing import TYPE_CHECKING, Any

from granian import x509

if TYPE_CHECKING:
    from granian.server.tls.credentials import Credentials

# https://asgi.readthedocs.io/en/latest/specs/tls.html gives versions by their number on the wire.
VERSIONS = {'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304}


class TlsFacts:
    """Computed when asked for: many applications never ask."""

    def __init__(self, tls: ssl.SSLObject, credentials: Credentials) -> None:
        self._tls = tls
        self._credentials = credentials

    @property
    def asgi(self) -> dict[str, Any]:
        """The ASGI extension `tls` (0.2)."""
        chain = [ssl.DER_cert_to_PEM_cert(der) for der in self._client_chain]
        return {
            'server_cert': self._credentials.pem_of(self._tls.context),
            'client_cert_chain': chain,
            'client_cert_name': x509.certificate(self._client_chain[0]).subject if chain else None,
            # A certificate that is not good ends the handshake: whoever gets here showed a good one, or none.
            'client_cert_error': None,
            'tls_version': VERSIONS.get(self._tls.version() or ''),
            'cipher_suite': self._credentials.cipher_numbers.get((self._tls.cipher() or ('',))[0]),
        }

    @cached_property
    def environ(self) -> dict[str, str]:
        """What WSGI applications find, by the names of Apache's mod_ssl."""
        name, _, bits = self._tls.cipher() or ('', '', 0)
        found = {
            'HTTPS': 'on',
            'SSL_PROTOCOL': self._tls.version() or '',
            'SSL_CIPHER': name,
            'SSL_CIPHER_USEKEYSIZE': str(bits),
            'SSL_CIPHER_ALGKEYSIZE': str(bits),
            'SSL_SESSION_RESUMED': 'Resumed' if self._tls.session_reused else 'Initial',
            'SSL_SERVER_CERT': self._credentials.pem_of(self._tls.context),
            'SSL_CLIENT_VERIFY': 'SUCCESS' if self._client_chain else 'NONE',
        }
        return found | (self._client_environ() if self._client_chain else {})

    def _client_environ(self) -> dict[str, str]:
        client = x509.certificate(self._client_chain[0])
        first, *others = [ssl.DER_cert_to_PEM_cert(der) for der in self._client_chain]
        return {
            'SSL_CLIENT_CERT': first,
            'SSL_CLIENT_S_DN': client.subject,
            'SSL_CLIENT_I_DN': client.issuer,
            'SSL_CLIENT_M_SERIAL': f'{client.serial:X}',
            **{f'SSL_CLIENT_CERT_CHAIN_{number}': pem for number, pem in enumerate(others)},
        }

    @cached_property
    def _client_chain(self) -> list[bytes]:
        """DER, the client's own first, the root last."""
        if not self._credentials.ask_clients:
            return []
        own = self._tls.getpeercert(binary_form=True)
        if own is None:
            return []
        return _verified_chain(self._tls) or [own]


def comes_too_late(tls: ssl.SSLObject, now_s: float) -> bool:
    """Whether a client comes back by a session that outlives its certificate: OpenSSL asks for the time in full handshakes alone."""
    own = tls.getpeercert(binary_form=True) if tls.session_reused else None
    return own is not None and x509.certificate(own).not_after_s < now_s


def _verified_chain(tls: ssl.SSLObject) -> list[bytes]:
    # Public from Python 3.13 on, and before that only further inside.
    if hasattr(tls, 'get_verified_chain'):
        return list(tls.get_verified_chain())
    chain = tls._sslobj.get_verified_chain() or []  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in chain]
