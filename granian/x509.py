"""What we must know of a certificate or a revocation list before and beyond OpenSSL: read from its DER (RFC 5280 4.1, 5.1)."""

from __future__ import annotations

import calendar
import re
import time
from binascii import a2b_base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    # tag, content, and both with their header
    Item = tuple[int, bytes, bytes]

_PEM = re.compile(rb'-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----', re.DOTALL)
_CERTIFICATES = frozenset({b'CERTIFICATE', b'X509 CERTIFICATE', b'TRUSTED CERTIFICATE'})
_REVOCATION_LISTS = frozenset({b'X509 CRL'})

_INTEGER, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x02, 0x17, 0x18, 0xA0
_EXTENSIONS, _DNS_NAME = 0xA3, 0x82
_ALTERNATIVE_NAMES, _USAGES = '2.5.29.17', '2.5.29.37'
# RFC 6962 3.3: what public logs have signed.
_LOGGED = '1.3.6.1.4.1.11129.2.4.2'
# RFC 5280 4.2.1.12: for servers, and for whatever.
_SERVER_USAGES = frozenset({'1.3.6.1.5.5.7.3.1', '2.5.29.37.0'})
# An empty sequence.
_NOTHING = b'\x30\x00'
_TEXTS = {0x0C: 'utf-8', 0x13: 'ascii', 0x14: 'latin-1', 0x16: 'ascii', 0x1C: 'utf-32-be', 0x1E: 'utf-16-be'}
# RFC 4514 3: every other type is written as its number, and its value in hexadecimal.
_NAMES = {
    '2.5.4.3': 'CN', '2.5.4.7': 'L', '2.5.4.8': 'ST', '2.5.4.10': 'O', '2.5.4.11': 'OU', '2.5.4.6': 'C',
    '2.5.4.9': 'STREET', '0.9.2342.19200300.100.1.25': 'DC', '0.9.2342.19200300.100.1.1': 'UID',
}  # fmt: skip
_RSA_KEYS = frozenset({'1.2.840.113549.1.1.1', '1.2.840.113549.1.1.10'})


@dataclass(frozen=True, slots=True)
class Certificate:
    """Names as in RFC 4514, times in seconds since the epoch."""

    subject: str
    issuer: str
    serial: int
    not_before_s: int
    not_after_s: int
    has_rsa_key: bool
    # For which it speaks, in lower case; `*.name` for any one label before the name.
    hosts: tuple[str, ...]
    # Clients may take it for that of a server, as far as it says what it is for.
    is_for_servers: bool
    # It has alternative names, of whatever kind: clients look for theirs among these alone.
    is_named: bool
    # It stands in public logs, as those do that browsers trust.
    is_public: bool


@dataclass(frozen=True, slots=True)
class RevocationList:
    """Times in seconds since the epoch; None: the list does not say when the next one comes."""

    issuer: str
    this_update_s: int
    next_update_s: int | None


def certificates(pem: bytes) -> list[tuple[bytes, Certificate]]:
    """Those of a PEM file, with their DER. Raises ValueError for one that is damaged."""
    return [(der, certificate(der)) for der in _blocks(pem, _CERTIFICATES)]


def revocation_lists(pem: bytes) -> list[RevocationList]:
    """Those of a PEM file. Raises ValueError for one that is damaged."""
    return [_revocation_list(der) for der in _blocks(pem, _REVOCATION_LISTS)]


def certificate(der: bytes) -> Certificate:
    """Raises ValueError for what is no certificate."""
    try:
        fields = list(_items(next(_items(_only(der)))[1]))
        if fields[0][0] == _VERSION:
            del fields[0]
        serial, _, issuer, validity, subject, key = (content for _, content, _ in fields[:6])
        not_before, not_after = _items(validity)
        algorithm = next(_items(next(_items(key))[1]))[1]
        extensions = _extensions([content for tag, content, _ in fields[6:] if tag == _EXTENSIONS])
        return Certificate(
            subject=_name(subject),
            issuer=_name(issuer),
            serial=int.from_bytes(serial, 'big'),
            not_before_s=_seconds(not_before),
            not_after_s=_seconds(not_after),
            has_rsa_key=_oid(algorithm) in _RSA_KEYS,
            hosts=_hosts(extensions),
            is_for_servers=_is_for_servers(extensions),
            is_named=any(_items(_only(extensions.get(_ALTERNATIVE_NAMES, _NOTHING)))),
            is_public=_LOGGED in extensions,
        )
    except (IndexError, StopIteration) as exc:
        raise ValueError('not a certificate') from exc


def _extensions(content: list[bytes]) -> dict[str, bytes]:
    """By their numbers what each consists of."""
    found: dict[str, bytes] = {}
    for each in content:
        for _, extension, _ in _items(_only(each)):
            parts = [part for _, part, _ in _items(extension)]
            found[_oid(parts[0])] = parts[-1]
    return found


def _hosts(extensions: dict[str, bytes]) -> tuple[str, ...]:
    """RFC 5280 4.2.1.6: the DNS names among the alternative ones of the subject."""
    if _ALTERNATIVE_NAMES not in extensions:
        return ()
    names = _items(_only(extensions[_ALTERNATIVE_NAMES]))
    return tuple([name.decode('ascii', 'replace').lower() for tag, name, _ in names if tag == _DNS_NAME])


def _is_for_servers(extensions: dict[str, bytes]) -> bool:
    if _USAGES not in extensions:
        return True
    return any(_oid(usage) in _SERVER_USAGES for _, usage, _ in _items(_only(extensions[_USAGES])))


def _revocation_list(der: bytes) -> RevocationList:
    try:
        fields = list(_items(next(_items(_only(der)))[1]))
        if fields[0][0] == _INTEGER:
            del fields[0]
        is_told = len(fields) > 3 and fields[3][0] in {_UTC_TIME, _GENERALIZED_TIME}
        return RevocationList(_name(fields[1][1]), _seconds(fields[2]), _seconds(fields[3]) if is_told else None)
    except (IndexError, StopIteration) as exc:
        raise ValueError('not a revocation list') from exc


def _blocks(pem: bytes, labels: frozenset[bytes]) -> Iterator[bytes]:
    for label, text in _PEM.findall(pem):
        if label in labels:
            yield a2b_base64(text)


def _only(der: bytes) -> bytes:
    """The content of the one sequence that this is; what OpenSSL's trusted certificates have behind it is left out."""
    return next(_items(der))[1]


def _items(data: bytes) -> Iterator[Item]:
    """The elements of a sequence (X.690 8.1)."""
    at = 0
    while at < len(data):
        tag, length, start = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, start = int.from_bytes(data[start : start + count], 'big'), start + count
        end = start + length
        if end > len(data):
            raise ValueError('it ends too soon')
        yield tag, data[start:end], data[at:end]
        at = end


def _seconds(item: Item) -> int:
    tag, content, _ = item
    text = content.decode('ascii')
    if tag == _UTC_TIME:
        # RFC 5280 4.1.2.5.1: two digits, of this century up to 49.
        text = ('19' if text[:2] >= '50' else '20') + text
    return calendar.timegm(time.strptime(text, '%Y%m%d%H%M%SZ'))


def _oid(content: bytes) -> str:
    first = content[0]
    numbers, number = [min(first // 40, 2), first - 40 * min(first // 40, 2)], 0
    for byte in content[1:]:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(number)
            number = 0
    return '.'.join(map(str, numbers))


def _name(content: bytes) -> str:
    """RFC 4514 2.1: the last part first."""
    parts = ['+'.join(_attribute(pair) for _, pair, _ in _items(part)) for _, part, _ in _items(content)]
    return ','.join(reversed(parts))


def _attribute(pair: bytes) -> str:
    (_, kind, _), (tag, value, whole) = _items(pair)
    number = _oid(kind)
    name, coding = _NAMES.get(number), _TEXTS.get(tag)
    try:
        if name is not None and coding is not None:
            return f'{name}={_escaped(value.decode(coding))}'
    except UnicodeDecodeError:
        # Not what it says it is.
        pass
    return f'{name or number}=#{whole.hex()}'


def _escaped(text: str) -> str:
    """RFC 4514 2.4."""
    text = re.sub(r'([\\"+,;<>])', r'\\\1', text).replace('\0', '\\00')
    if text.startswith((' ', '#')):
        text = '\\' + text
    return text[:-1] + '\\ ' if text.endswith(' ') and text != '\\ ' else text
