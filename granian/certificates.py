"""Certificates, keys and revocation lists: from files to an SSLContext, or what is wrong with them in words."""

from __future__ import annotations

import ssl
import stat
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from granian import x509
from granian.errors import FatalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from granian.tls_terms import ClientTrust, ContextTerms, Identity

_VERSIONS = {'1.2': ssl.TLSVersion.TLSv1_2, '1.3': ssl.TLSVersion.TLSv1_3}
# A password is told to OpenSSL in a buffer of this size.
PASSWORD_BYTES_MAX = 1024


class CertificateFault(FatalError):  # noqa: N818  (the word for what a person must mend)
    """A file that cannot be used. `key`: the key of the document that names it."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class End:
    """When a file's content ends to be valid, in seconds since the epoch. `begin_s`: 0 where that is not known."""

    path: str
    begin_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A context and what is known of the files that it was made from."""

    context: ssl.SSLContext
    # The certificate that clients are shown, without those behind it.
    pem: str
    has_rsa_key: bool
    ends: tuple[End, ...]
    # What is odd about them, though clients may put up with it.
    oddities: tuple[str, ...]


def context_of(identity: Identity, terms: ContextTerms, hosts: Sequence[str] = ()) -> Loaded:
    """`hosts`: those whose clients will be shown it. Raises CertificateFault."""
    context = _agreeing_to(terms)
    pem, chain = load_identity(context, identity)
    ends = [End(identity.certificate, each.not_before_s, each.not_after_s) for each in chain]
    path = identity.certificate
    oddities = [*_gaps(path, chain), *_strangers(path, chain[0], hosts), *_unsuited(path, chain)]
    if terms.clients is not None:
        ends += load_trust(context, terms.clients)
        oddities += _unlisted(terms.clients)
    return Loaded(context, pem, chain[0].has_rsa_key, tuple(ends), tuple(oddities))


def _unlisted(clients: ClientTrust) -> Iterator[str]:
    """Authorities whose clients OpenSSL refuses, for it does not know whom they have revoked, or whether they are."""
    if not clients.revocations:
        return
    known = {each.issuer for path in clients.revocations for each in x509.revocation_lists(_read('client_crl', path))}
    authorities = [each for _, each in _certificates('client_ca', clients.authorities)]
    named = {each.subject for each in authorities}
    for each in authorities:
        reason = ''
        if each.subject not in known:
            reason = 'no client_crl is of it'
        elif each.issuer not in named:
            reason = f'with a client_crl its issuer must be there, too: {each.issuer}'
        if reason:
            yield f"'{clients.authorities}' has {each.subject}, whose clients are refused: {reason}"


def _strangers(path: str, certificate: x509.Certificate, hosts: Sequence[str]) -> Iterator[str]:
    """RFC 6125 6.4.3: hosts for which it does not speak, so that their clients will refuse it."""
    for host in hosts:
        if host not in certificate.hosts and f'*.{host.partition(".")[2]}' not in certificate.hosts:
            yield f"'{path}' is not for '{host}', but for {', '.join(certificate.hosts) or 'no host'}"


def _unsuited(path: str, chain: list[x509.Certificate]) -> Iterator[str]:
    """Why clients will refuse it, whomever they ask for."""
    first = chain[0]
    if not first.is_named:
        # RFC 9525 6.3, RFC 9110 4.3.4: the common name does not count.
        yield f"'{path}' names no host (subjectAltName), so that most clients will refuse it"
    if len(chain) == 1 and first.is_public:
        # Of a private authority many clients know the issuer; those that browsers trust issue nothing by their roots.
        yield f"'{path}' ends before the certificate of {first.issuer}, which clients need and may not have"
    if not first.is_for_servers:
        yield f"'{path}' is not for servers, so that clients will refuse it"


def _gaps(path: str, chain: list[x509.Certificate]) -> Iterator[str]:
    """RFC 8446 4.4.2: each certificate is to be followed by that of its issuer; what comes in another order not all clients sort."""
    for one, following in pairwise(chain):
        if following.subject != one.issuer:
            yield f"'{path}' has {following.subject} behind {one.subject}, which was issued by {one.issuer}"


def without_memory(context: ssl.SSLContext, terms: ContextTerms) -> ssl.SSLContext:
    """For one connection, in front of `context`, which its `sni_callback` goes over to.

    Sessions of TLS 1.2 are kept by their identifiers in the context in which a connection began, and nothing that Python
    knows of keeps OpenSSL from it: so it begins in one that nobody comes back to.
    """
    front = _agreeing_to(terms)
    front.verify_flags, front.verify_mode = context.verify_flags, context.verify_mode
    return front


def _agreeing_to(terms: ContextTerms) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[terms.min_version]
    # RFC 9325 3.3, 3.5: compression tells of what is encrypted, and renegotiation is work at the client's wish.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # All are good, and the client knows which is fast for it: browsers like AES-128, telephones without AES ChaCha20.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    set_ciphers(context, terms.ciphers)
    context.set_alpn_protocols(list(terms.alpn))
    # One for each connection brings a client back as often as it likes: whoever uses it is given the next.
    context.num_tickets = 1 if terms.tickets else 0
    if not terms.tickets:
        context.options |= ssl.OP_NO_TICKET
    return context


def set_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    """Raises CertificateFault."""
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise CertificateFault(
            'ciphers', f'{ciphers!r} leaves no cipher; write it as `openssl ciphers` reads it'
        ) from None


def load_identity(context: ssl.SSLContext, identity: Identity) -> tuple[str, list[x509.Certificate]]:
    """The first certificate in PEM form, and all of them. Raises CertificateFault."""
    chain = _certificates('certificate', identity.certificate)
    for _, each in chain:
        _refuse_expired('certificate', identity.certificate, each)
    if b'PRIVATE KEY-----' not in _read('key', identity.key):
        raise CertificateFault('key', f"'{identity.key}' holds no private key in PEM form")
    password = _Password(identity)
    try:
        context.load_cert_chain(identity.certificate, identity.key, password)
    except ssl.SSLError as exc:
        raise _key_fault(identity, exc, chain[0][1], asked=password.asked) from None
    return ssl.DER_cert_to_PEM_cert(chain[0][0]), [each for _, each in chain]


class _Password:
    """Answers OpenSSL, which would ask at the terminal otherwise."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.asked = False

    def __call__(self) -> str:
        self.asked = True
        password = self._identity.password
        if password is None:
            raise CertificateFault('key_password', f"is missing: '{self._identity.key}' is encrypted")
        if len(password.encode()) > PASSWORD_BYTES_MAX:
            raise CertificateFault('key_password', f'is longer than {PASSWORD_BYTES_MAX} bytes')
        return password


def _key_fault(identity: Identity, exc: ssl.SSLError, first: x509.Certificate, *, asked: bool) -> CertificateFault:
    if exc.reason in {'KEY_VALUES_MISMATCH', 'KEY_TYPE_MISMATCH', 'NO_CERTIFICATE_ASSIGNED'}:
        return CertificateFault(
            'key',
            f"'{identity.key}' does not belong to the first certificate of '{identity.certificate}' ({first.subject})",
        )
    if exc.reason is None and asked:
        return CertificateFault('key_password', f"does not open '{identity.key}'")
    if exc.reason is None:
        return CertificateFault('key', f"'{identity.key}' is damaged, or no private key")
    return CertificateFault('certificate', f"'{identity.certificate}' is refused by OpenSSL: {in_words(exc)}")


def _certificates(key: str, path: str) -> list[tuple[bytes, x509.Certificate]]:
    """With the DER of each."""
    try:
        found = x509.certificates(_read(key, path))
    except ValueError as exc:
        raise CertificateFault(key, f"'{path}' is damaged: {exc}") from None
    if not found:
        raise CertificateFault(key, f"'{path}' holds no certificate in PEM form")
    return found


def _refuse_expired(key: str, path: str, certificate: x509.Certificate) -> None:
    now_s = time.time()
    if certificate.not_after_s < now_s:
        raise CertificateFault(key, f"'{path}' has expired on {utc(certificate.not_after_s)} ({certificate.subject})")
    if certificate.not_before_s > now_s:
        raise CertificateFault(
            key, f"'{path}' is not valid before {utc(certificate.not_before_s)} ({certificate.subject})"
        )


def load_trust(context: ssl.SSLContext, clients: ClientTrust) -> list[End]:
    """Raises CertificateFault."""
    authorities = [each for _, each in _certificates('client_ca', clients.authorities)]
    ends = [End(clients.authorities, each.not_before_s, each.not_after_s) for each in authorities]
    if all(each.not_after_s < time.time() for each in authorities):
        _refuse_expired('client_ca', clients.authorities, authorities[0])
    _load_verify('client_ca', context, clients.authorities)
    for path in clients.revocations:
        ends += _valid_revocations(path)
        _load_verify('client_crl', context, path)
    if clients.revocations:
        # As upstream: of every certificate in the chain it must be known that it was not revoked.
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    else:
        # As upstream: whoever is named is trusted by that, also below another authority. With lists OpenSSL looks for one of that.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = ssl.CERT_REQUIRED if clients.required else ssl.CERT_OPTIONAL
    return ends


def _load_verify(key: str, context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as exc:
        raise CertificateFault(key, f"'{path}' is refused by OpenSSL: {in_words(exc)}") from None


def _valid_revocations(path: str) -> list[End]:
    try:
        lists = x509.revocation_lists(_read('client_crl', path))
    except ValueError as exc:
        raise CertificateFault('client_crl', f"'{path}' is damaged: {exc}") from None
    if not lists:
        raise CertificateFault('client_crl', f"'{path}' holds no revocation list in PEM form")
    ends = [End(path, 0, each.next_update_s) for each in lists if each.next_update_s is not None]
    for each in lists:
        # OpenSSL refuses every client by it.
        if each.this_update_s > time.time():
            raise CertificateFault(
                'client_crl', f"'{path}' is not valid before {utc(each.this_update_s)} ({each.issuer})"
            )
        if each.next_update_s is not None and each.next_update_s < time.time():
            raise CertificateFault('client_crl', f"'{path}' has expired on {utc(each.next_update_s)} ({each.issuer})")
    return ends


def faults(actions: Sequence[Callable[[], object]]) -> Iterator[CertificateFault]:
    """What each of these finds wrong."""
    for action in actions:
        try:
            action()
        except CertificateFault as exc:
            yield exc


def _read(key: str, path: str) -> bytes:
    try:
        if stat.S_ISFIFO(Path(path).stat().st_mode):
            # It is read several times, and perhaps nobody ever writes.
            raise CertificateFault(key, f"'{path}' is a pipe, not a file")
        return Path(path).read_bytes()
    except OSError as exc:
        raise CertificateFault(key, f"'{path}' cannot be read: {(exc.strerror or str(exc)).lower()}") from None


def utc(seconds: float) -> str:
    return time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(seconds))


def in_words(exc: ssl.SSLError) -> str:
    """OpenSSL's reason, as words."""
    verdict = getattr(exc, 'verify_message', '')
    reason = (exc.reason or exc.strerror or str(exc)).lower().replace('_', ' ')
    return f'{reason}: {verdict}' if verdict else reason
