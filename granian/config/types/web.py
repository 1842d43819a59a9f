"""The types of fields that speak of paths, hosts and header fields of requests and responses."""

# ruff: noqa: TRY004  (a ValueError of these is what a person reads)

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator

from granian.config.types.checks import suggestion
from granian.config.types.fields import Kind, checked, text_of
from granian.config.types.values import show
from granian.globs import matcher

if TYPE_CHECKING:
    from collections.abc import Callable

CODINGS = ('br', 'zstd', 'gzip')
_ESCAPE = re.compile(r'%[0-9A-Fa-f]{2}')
_HOST = re.compile(r'(\*\.)?[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*')
# RFC 6454 6.2
_ORIGIN = re.compile(r'[a-z][a-z0-9+.-]*://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?')
_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(r'[\t\x20-\x7e\x80-\xff]*')
_TEXT_VALUE = re.compile(r'[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?')
_MEDIA_TYPE = re.compile(rf'{_FIELD_NAME.pattern}/{_FIELD_NAME.pattern}( *;[\x20-\x7e]*)?')
_TARGET = re.compile(r'(https?://[^/?#\s]+)?(/[\x21-\x7e]*)?')
# They are the server's to send, or speak of a body this one does not make (RFC 9110 7.6.1, 8.6).
_SERVERS_FIELDS = frozenset({
    'connection', 'content-length', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
})  # fmt: skip
_TABLE_SCHEMA = {'type': 'object', 'additionalProperties': {'type': 'string'}}


def _mount_path(value: object) -> str:
    text = text_of(value)
    if not text.startswith('/'):
        raise ValueError(f'{show(value)} does not begin with a slash; write {show("/" + text)}')
    segments = text.strip('/').split('/')
    if '?' in text or '#' in text:
        raise ValueError(f'{show(value)} has more than a path; leave out what begins with ? or #')
    if _ESCAPE.search(text):
        raise ValueError(f'{show(value)} is encoded; write it decoded, as it is read')
    if '*' in text:
        raise ValueError(f"{show(value)}: a mount holds all below its path by itself; leave the '*' out")
    if any(segment in {'.', '..'} for segment in segments) or '//' in text:
        raise ValueError(f'{show(value)} has a segment that is empty or made of dots; no path of a request has')
    if not text.isprintable():
        raise ValueError(f'{show(value)} has a character that does not print')
    return '/' + '/'.join(segments)


def _root_path(value: object) -> str:
    return _mount_path(value).rstrip('/') if text_of(value) else ''


def _host(value: object) -> str:
    text = text_of(value).lower().removesuffix('.')
    if text == '*':
        raise ValueError("'*' is every host; leave hosts out for that")
    if text.startswith('[') and text.endswith(']'):
        try:
            return f'[{ipaddress.IPv6Address(text[1:-1])}]'
        except ValueError:
            raise ValueError(f'{show(value)} is not an IPv6 address') from None
    if not text.isascii():
        raise ValueError(f'{show(value)} is not how requests name it; write {show(_ascii(text))}')
    if re.fullmatch(r'.*:\d*', text):
        raise ValueError(f'{show(value)} has a port; a mount is there on every port, write the name alone')
    if _HOST.fullmatch(text) is None:
        raise ValueError(f"{show(value)} is not a host name; write it like 'shop.example' or '*.shop.example'")
    return text


def _ascii(name: str) -> str:
    try:
        return name.encode('idna').decode('ascii')
    except UnicodeError:
        return 'xn--…'


def _pairs(value: object, check: Callable[[str, str], tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(pair, tuple) for pair in value):
        # A value that was read before.
        value = dict(value)
    if not isinstance(value, dict):
        raise ValueError(f'{show(value)} is not a table; write it like {{ name = "value" }}')
    for name, text in value.items():
        if not isinstance(text, str):
            raise ValueError(f'{name}: {show(text)} is not text; write it in quotes')
    return tuple(check(str(name), text_of(text)) for name, text in value.items())


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    pairs = _pairs(value, _field)
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f'{name} is there twice')
    return pairs


def _field(name: str, value: str) -> tuple[str, str]:
    low = name.lower()
    if _FIELD_NAME.fullmatch(name) is None:
        raise ValueError(f'{show(name)} is not the name of a header field')
    if low in _SERVERS_FIELDS:
        raise ValueError(f'{name} is for the server to send')
    if _FIELD_VALUE.fullmatch(value) is None:
        raise ValueError(f'{name}: {show(value)} has a character that no header field may have')
    return low, value.strip(' \t')


def _entry(name: str, value: str) -> tuple[str, str]:
    if not name or _TEXT_VALUE.fullmatch(value) is None:
        raise ValueError(f'{name or "an empty name"}: {show(value)} is not what a header field may say')
    return name, value


def _media_types(value: object) -> tuple[tuple[str, str], ...]:
    return _pairs(value, _media_type)


def _media_type(extension: str, kind: str) -> tuple[str, str]:
    if not extension or _MEDIA_TYPE.fullmatch(kind) is None:
        raise ValueError(f"{extension or 'an empty name'}: {show(kind)} is not a media type like 'model/gltf-binary'")
    return extension, kind


def _charset(value: object) -> str:
    text = text_of(value)
    if text and _FIELD_NAME.fullmatch(text) is None:
        raise ValueError(f"{show(value)} is not the name of a charset; write it like 'utf-8'")
    return text


def _cache(value: object) -> tuple[tuple[str, str], ...]:
    return _pairs(value, _cache_rule)


def _cache_rule(glob: str, policy: str) -> tuple[str, str]:
    try:
        matcher(glob)
    except ValueError as exc:
        raise ValueError(f'{show(glob)} is not a pattern: {exc}') from None
    return _entry(glob, policy)


def _coding(value: object) -> str:
    text = text_of(value)
    if text not in CODINGS:
        raise ValueError(f'{show(value)} is not one of: {", ".join(CODINGS)}{suggestion(text, CODINGS)}')
    return text


def _file_name(value: object) -> str:
    text = _path_below(value)
    if '/' in text:
        raise ValueError(f'{show(value)} is not the name of a file')
    return text


def _path_below(value: object) -> str:
    text = text_of(value)
    if any(segment in {'', '.', '..'} for segment in text.split('/')):
        raise ValueError(f'{show(value)} is not the path of a file below the folder')
    return text


def _redirection(value: object) -> str:
    text = text_of(value)
    # Clients read a backslash as a slash: what begins with two of either is another host.
    if not text or _TARGET.fullmatch(text) is None or text[:2] in {'//', '/\\'}:
        raise ValueError(
            f"{show(value)} is not where a redirect can go; write it like 'https://www.example.org' or '/path'"
        )
    return text


def _list_kind(name: str, metavar: str, items: dict[str, Any]) -> Kind:
    return Kind(name, metavar, {'type': 'array', 'items': items}, list, split='words')


def _origin(value: object) -> str:
    text = text_of(value).lower()
    if text == '*':
        raise ValueError("'*' is every site; leave origins out for that")
    if _ORIGIN.fullmatch(text) is None:
        raise ValueError(
            f"{show(value)} is not an origin; write it like 'https://shop.example' or 'http://localhost:3000'"
        )
    return text


_PATH_SCHEMA = {'type': 'string', 'pattern': '^/[^?#*]*$'}
MountPath = Annotated[str, BeforeValidator(checked(_mount_path)), Kind('path', 'PATH', _PATH_SCHEMA)]
RootPath = Annotated[
    str, BeforeValidator(checked(_root_path)), Kind('path', 'PATH', {'type': 'string', 'pattern': '^(/[^?#*]*)?$'})
]
FileName = Annotated[
    str, BeforeValidator(checked(_file_name)), Kind('file name', 'NAME', {'type': 'string', 'pattern': '^[^/]+$'})
]
FilePathBelow = Annotated[
    str,
    BeforeValidator(checked(_path_below)),
    Kind('path below the folder', 'PATH', {'type': 'string', 'pattern': '^[^/].*$'}),
]
Redirection = Annotated[
    str,
    BeforeValidator(checked(_redirection)),
    Kind('address', 'URL', {'type': 'string', 'pattern': '^(https?://[^/?#]|/)'}),
]
Hosts = Annotated[
    tuple[Annotated[str, BeforeValidator(checked(_host))], ...],
    _list_kind('list of host names', 'HOST', {'type': 'string', 'minLength': 1}),
]
Origins = Annotated[
    tuple[Annotated[str, BeforeValidator(checked(_origin))], ...],
    _list_kind('list of origins', 'ORIGIN', {'type': 'string', 'pattern': '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+$'}),
]
Codings = Annotated[
    tuple[Annotated[Literal['br', 'zstd', 'gzip'], BeforeValidator(checked(_coding))], ...],
    _list_kind('list of br, zstd, gzip', 'CODING', {'enum': list(CODINGS)}),
]
Headers = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(checked(_headers)),
    Kind('table of header fields', 'TABLE', _TABLE_SCHEMA, dict, split='table'),
]
CacheRules = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(checked(_cache)),
    Kind('table of texts', 'TABLE', _TABLE_SCHEMA, dict, split='table'),
]
MediaTypes = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(checked(_media_types)),
    Kind('table of texts', 'TABLE', _TABLE_SCHEMA, dict, split='table'),
]
Charset = Annotated[
    str, BeforeValidator(checked(_charset)), Kind('charset', 'NAME', {'type': 'string', 'pattern': '^[!-~]*$'})
]
