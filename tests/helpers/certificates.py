"""Certificates for tests, good and bad ones: `Authority('root').issue('localhost')` writes nothing until `write` is called."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANY_USAGE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
DAY = dt.timedelta(days=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc).replace(microsecond=0)


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """One for all tests of a run: they take long to make."""
    return rsa.generate_private_key(65537, bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(common_name: str, **others: str) -> x509.Name:
    parts = [x509.NameAttribute(getattr(NameOID, kind.upper()), value) for kind, value in others.items()]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass
class Issued:
    """A certificate, its key, and the certificates between it and the root."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    between: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        return ''.join(each.public_bytes(forms.Encoding.PEM).decode() for each in (self.certificate, *self.between))

    def key_pem(self, form: str = 'PKCS8', password: str | None = None) -> str:
        shape = getattr(forms.PrivateFormat, form)
        lock = forms.NoEncryption() if password is None else forms.BestAvailableEncryption(password.encode())
        return self.key.private_bytes(forms.Encoding.PEM, shape, lock).decode()

    def write(self, folder: Path, stem: str, **key: str) -> tuple[Path, Path]:
        """Into `stem.pem` and `stem.key`; both paths."""
        certificate, private = folder / f'{stem}.pem', folder / f'{stem}.key'
        certificate.write_text(self.pem)
        private.write_text(self.key_pem(**key))
        return certificate, private


class Authority:
    """Issues certificates and revokes them."""

    def __init__(
        self, common_name: str = 'root', parent: Authority | None = None, days: tuple[int, int] = (-2, 30)
    ) -> None:
        self.key = ec_key()
        self._parent = parent
        self._name = name(common_name)
        issuer = parent or self
        builder = _builder(self._name, issuer._name, self.key, issuer.key, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        self.certificate = builder.sign(issuer.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(forms.Encoding.PEM).decode()

    def issue(
        self,
        common_name: str = 'localhost',
        *hosts: str,
        days: tuple[int, int] = (-1, 30),
        usage: x509.ObjectIdentifier = SERVER,
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
        subject: x509.Name | None = None,
        named: bool = True,
        more: tuple[x509.ExtensionType, ...] = (),
    ) -> Issued:
        """`days`: from and until, counted from now."""
        key = key or ec_key()
        names = [x509.DNSName(host) for host in hosts or (common_name,)]
        names.append(x509.IPAddress(ipaddress.ip_address('127.0.0.1')))
        builder = _builder(subject or name(common_name), self._name, key, self.key, days)
        if named:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        for each in more:
            builder = builder.add_extension(each, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        between = () if self._parent is None else (self.certificate,)
        return Issued(builder.sign(self.key, hashes.SHA256()), key, between)

    def revocations(self, *revoked: Issued, days: tuple[int, int] = (-1, 30)) -> str:
        """A revocation list, in PEM form."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now() + DAY * days[0])
            .next_update(now() + DAY * days[1])
        )
        for each in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now() - DAY).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(forms.Encoding.PEM).decode()

    def client_context(self, own: Issued | None = None, folder: Path | None = None) -> ssl.SSLContext:
        """A client's that trusts this authority and shows `own`, which is written into `folder`."""
        context = ssl.create_default_context(cadata=self.pem)
        if own is not None and folder is not None:
            context.load_cert_chain(*own.write(folder, f'client-{own.certificate.serial_number}'))
        return context


def _usage(**what: bool) -> x509.KeyUsage:
    every = (
        'digital_signature', 'content_commitment', 'key_encipherment', 'data_encipherment', 'key_agreement', 'key_cert_sign',
        'crl_sign', 'encipher_only', 'decipher_only',
    )  # fmt: skip
    return x509.KeyUsage(**dict.fromkeys(every, False) | what)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: object, issuer_key: object, days: tuple[int, int]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() + DAY * days[0])
        .not_valid_after(now() + DAY * days[1])
        # What strict clients want to see (VERIFY_X509_STRICT, Python 3.13's default).
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
