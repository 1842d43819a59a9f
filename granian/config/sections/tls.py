"""The sections that speak of TLS, and the rules their files must keep."""

from __future__ import annotations

import ipaddress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from granian.config.sections.section import COUNT_MAX, Section
from granian.config.types.fields import CHOICE, Duration, FilePath, FilePaths, Flag, Secret, Switch, Text, Whole
from granian.config.types.web import Hosts
from granian.tls_terms import CIPHERS, ClientTrust, Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _version(value: object) -> object:
    """Upstream's flag says tls1.3, and a bare number in TOML is a float."""
    return str(value).lower().removeprefix('tls') if isinstance(value, (str, float)) else value


Certificate = Annotated[
    FilePath,
    Field(
        description='PEM file with the certificate and after it those of the authorities between it and the root.',
        examples=['certs/site.pem'],
    ),
]
Key = Annotated[
    FilePath,
    Field(
        description="PEM file with the certificate's private key: PKCS#8, PKCS#1 or SEC1.", examples=['certs/site.key']
    ),
]
KeyPassword = Annotated[
    Secret | None,
    Field(description='Opens an encrypted key. Masked wherever the configuration is shown.', examples=['opensesame']),
]
NamedHosts = Annotated[
    Hosts,
    Field(
        min_length=1,
        description='Names, or `*.name` for all that end in `.name`. An exact name comes before a suffix, a long suffix '
        "before a short one; for all other names there is the listener's own certificate.",
        examples=[['*.example.org']],
    ),
]


class _WithIdentity(Section):
    """What names a certificate and its key."""

    certificate: Certificate
    key: Key
    key_password: KeyPassword = None

    @property
    def identity(self) -> Identity:
        password = None if self.key_password is None else self.key_password.get_secret_value()
        return Identity(str(self.certificate), str(self.key), password)


class Sni(_WithIdentity):
    """Another certificate, for clients that name one of these hosts."""

    hosts: NamedHosts


class Tls(_WithIdentity):
    """Encrypt the connections of this listener."""

    certificate: Annotated[Certificate, Flag('--ssl-certificate', 'Certificate chain, PEM')]
    key: Annotated[Key, Flag('--ssl-keyfile', 'Private key, PEM')]
    key_password: Annotated[KeyPassword, Flag('--ssl-keyfile-password', 'Password of the private key')] = None
    min_version: Annotated[
        Literal['1.2', '1.3'],
        BeforeValidator(_version),
        Field(description='Least version of TLS that is spoken.', examples=['1.2']),
        Flag('--ssl-protocol-min', 'Least version of TLS: tls1.2 or tls1.3'),
    ] = '1.3'
    ciphers: Annotated[
        Text,
        Field(
            description="Ciphers for TLS 1.2, in OpenSSL's notation, of which the client chooses; those of TLS 1.3 are all good.",
            examples=['ECDHE+AESGCM'],
        ),
    ] = CIPHERS
    session_tickets: Annotated[
        Switch,
        Field(
            description='Let clients come back without a full handshake. If not, none does, by whatever way.',
            examples=[False],
        ),
    ] = True
    client_verify: Annotated[
        Literal['auto', 'none', 'optional', 'required'],
        CHOICE,
        Field(
            description='Whether clients are asked for a certificate: `required` refuses those without one, `optional` lets '
            'them in. A certificate that is shown must be good in either case. `auto`: `optional` where there is a '
            '`client_ca`, else `none`.',
            examples=['required'],
        ),
        Flag('--ssl-client-verify', 'Refuse clients without a good certificate', words=('required', 'auto')),
    ] = 'auto'
    client_ca: Annotated[
        FilePath | None,
        Field(
            description='PEM file with the authorities whose certificates clients may show.', examples=['certs/ca.pem']
        ),
        Flag('--ssl-ca', 'Authorities of client certificates, PEM'),
    ] = None
    client_crl: Annotated[
        FilePaths,
        Field(
            description='PEM files with revocation lists. With any, every authority of a chain must have one that is current.',
            examples=[['certs/ca.crl']],
        ),
        Flag('--ssl-crl', 'Revocation list, PEM; may be repeated'),
    ] = ()
    handshake_timeout: Annotated[
        Duration,
        Field(
            gt=0,
            le=600,
            description='From accepting a connection to the end of its handshake. Over it: it is closed.',
            examples=['5s'],
        ),
    ] = 10.0
    handshakes: Annotated[
        Whole,
        Field(
            ge=1,
            le=COUNT_MAX,
            description='Handshakes in progress at once in one worker. Over it: newcomers wait unread, and a client that '
            'has kept its own waiting for more than a second makes room.',
            examples=[100],
        ),
    ] = 256
    reload_interval: Annotated[
        Duration,
        Field(
            ge=0.1,
            le=86400,
            description='How often the files are looked at. Changed ones are used for new connections; faulty ones are '
            'logged, and the old go on.',
            examples=['1m'],
        ),
    ] = 10.0
    sni: Annotated[
        tuple[Sni, ...], Field(description='Further certificates, for clients that name one of these hosts.')
    ] = ()

    @property
    def asks_clients(self) -> bool:
        """Whether clients are asked for a certificate."""
        return self.client_verify in {'optional', 'required'} or (
            self.client_verify == 'auto' and self.client_ca is not None
        )

    @property
    def trust(self) -> ClientTrust | None:
        if not self.asks_clients or self.client_ca is None:
            return None
        return ClientTrust(str(self.client_ca), tuple(map(str, self.client_crl)), self.client_verify == 'required')


def broken_tls_rules(key: str, tls: Tls) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Key, what is wrong, and the keys that were read to know."""
    if tls.asks_clients and tls.client_ca is None:
        yield f'{key}.client_verify', f"'{tls.client_verify}' needs the authorities to verify by; set client_ca", ()
    if not tls.asks_clients and tls.client_ca is not None:
        yield (
            f'{key}.client_ca',
            'verifies nobody: client_verify is "none"; keep one of them',
            (f'{key}.client_verify',),
        )
    if tls.client_crl and tls.client_ca is None:
        yield f'{key}.client_crl', 'revokes nothing without client_ca', (f'{key}.client_ca',)
    if tls.ciphers != CIPHERS and tls.min_version == '1.3':
        yield f'{key}.ciphers', 'is for TLS 1.2, which min_version = "1.3" leaves out', (f'{key}.min_version',)
    yield from _host_faults(key, tls)
    yield from _file_faults(key, tls)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip('[]'))
    except ValueError:
        return False
    return True


def _host_faults(key: str, tls: Tls) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    first: dict[str, int] = {}
    for index, sni in enumerate(tls.sni):
        for host in sni.hosts:
            if _is_address(host):
                yield f'{key}.sni[{index}].hosts', f"'{host}' is an address, and clients name none (RFC 6066 3)", ()
            earlier = first.setdefault(host, index)
            if earlier != index:
                yield f'{key}.sni[{index}].hosts', f"'{host}' has a certificate already, of sni[{earlier}]", ()


def _file_faults(key: str, tls: Tls) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Load everything, as a worker will."""
    import ssl

    from granian import certificates

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    places: list[tuple[str, Callable[[], object]]] = [
        (key, partial(certificates.set_ciphers, context, tls.ciphers)),
        (key, partial(certificates.load_identity, context, tls.identity)),
    ]
    clients = tls.trust
    if clients is not None:
        places.append((key, partial(certificates.load_trust, context, clients)))
    for index, sni in enumerate(tls.sni):
        places.append((f'{key}.sni[{index}]', partial(certificates.load_identity, context, sni.identity)))
    for place, load in places:
        for fault in certificates.faults([load]):
            yield (
                f'{place}.{fault.key}',
                str(fault),
                tuple(f'{place}.{name}' for name in ('certificate', 'key', 'key_password')),
            )
