"""What an RSGI application reads of a request: its scope and its headers, worked out when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from granian.exchange import Exchange
    from granian.protocol.contract import Fields

T = TypeVar('T')

# RSGI has no '1.0'.
HTTP_VERSIONS = {'1.0': '1'}


class Headers:
    """The fields of a request: names in any case, repeats kept. A value that is not ASCII is not there at all."""

    __slots__ = ('_fields',)

    def __init__(self, fields: Fields) -> None:
        # The head's own: shared with equal requests, and never changed.
        self._fields = fields

    def keys(self) -> list[str]:
        """The names in lower case, each once, in order."""
        return list(dict.fromkeys([name.decode('ascii') for name, value in self._fields if value.isascii()]))

    def values(self) -> list[str]:
        return [value.decode('ascii') for _, value in self._fields if value.isascii()]

    def items(self) -> list[tuple[str, str]]:
        """A pair for each field, repeats too."""
        return [(name.decode('ascii'), value.decode('ascii')) for name, value in self._fields if value.isascii()]

    @overload
    def get(self, key: str) -> str | None: ...

    @overload
    def get(self, key: str, default: T) -> str | T: ...

    def get(self, key: str, default: T | None = None) -> str | T | None:
        """The first value of that name."""
        wanted = _name(key)
        for name, value in self._fields:
            if name == wanted and value.isascii():
                return value.decode('ascii')
        return default

    def get_all(self, key: str) -> list[str]:
        """All values of that name, in order."""
        wanted = _name(key)
        return [value.decode('ascii') for name, value in self._fields if name == wanted and value.isascii()]

    def __getitem__(self, key: str) -> str:
        value = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __repr__(self) -> str:
        return f'Headers({self.items()!r})'


class Scope:
    """One HTTP request. Attributes are read-only."""

    __slots__ = ('_exchange', '_strip')

    proto = 'http'
    rsgi_version = '1.6'

    def __init__(self, exchange: Exchange, strip: int) -> None:
        self._exchange = exchange
        # Characters of the path that the application does not see.
        self._strip = strip

    @property
    def http_version(self) -> str:
        """'1' (which is HTTP/1.0), '1.1' or '2'."""
        version = self._exchange.head.version
        return HTTP_VERSIONS.get(version, version)

    @property
    def server(self) -> str:
        """`address:port`, or the path of a Unix socket."""
        server = self._exchange.info.server
        return '' if server is None else _address(*server)

    @property
    def client(self) -> str:
        """`address:port`, '' on a Unix socket."""
        client = self._exchange.info.client
        return '' if client is None else _address(*client)

    @property
    def scheme(self) -> str:
        return self._exchange.info.scheme

    @property
    def method(self) -> str:
        return self._exchange.head.method

    @property
    def path(self) -> str:
        """Percent-decoded."""
        path = self._exchange.head.path
        return (path[self._strip :] or '/') if self._strip else path

    @property
    def query_string(self) -> str:
        """What follows the '?', as sent."""
        return self._exchange.head.query.decode('latin-1')

    @property
    def headers(self) -> Headers:
        return Headers(self._exchange.head.fields)

    @property
    def authority(self) -> str | None:
        """The one of HTTP/2, or of an absolute-form target; else None: the header `host` says it."""
        head = self._exchange.head
        if head.authority is None or not (head.absolute or head.version == '2'):
            return None
        return head.authority.decode('latin-1')


def _name(key: str) -> bytes:
    # What is not ASCII is no field's name, and the mark for it is not allowed in one.
    return key.encode('ascii', 'replace').lower()


def _address(host: str, port: int | None) -> str:
    if port is None:
        return host
    return f'[{host}]:{port}' if ':' in host else f'{host}:{port}'
