"""The environ of a request (PEP 3333)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_to_bytes

from granian.adapters.wsgi.files import FileWrapper
from granian.protocol.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from granian.exchange import ConnectionInfo, Exchange
    from granian.protocol.contract import Field, RequestHead

PROTOCOLS = {'1.0': 'HTTP/1.0', '1.1': 'HTTP/1.1', '2': 'HTTP/2', '3': 'HTTP/3'}
# RFC 3875 4.1.18: these two have names of their own.
_UNPREFIXED = {b'content-type': 'CONTENT_TYPE', b'content-length': 'CONTENT_LENGTH'}


class Environs:
    """Makes environs for one application."""

    def __init__(self, *, multithread: bool, multiprocess: bool, script_name: str) -> None:
        self._script_name = script_name.encode().decode('latin-1').rstrip('/')
        self._common: dict[str, Any] = {
            'GATEWAY_INTERFACE': 'CGI/1.1',
            'SERVER_SOFTWARE': 'Granian',
            'SCRIPT_NAME': self._script_name,
            'wsgi.version': (1, 0),
            'wsgi.errors': sys.stderr,
            'wsgi.multithread': multithread,
            'wsgi.multiprocess': multiprocess,
            'wsgi.run_once': False,
            'wsgi.input_terminated': True,
            'wsgi.file_wrapper': FileWrapper,
        }
        # One for each address the server is reached at.
        self._bases: Memory[dict[str, Any]] = Memory(entries_max=64, key_bytes_max=1024)
        self._keys: Memory[str] = Memory(entries_max=512, key_bytes_max=256)

    def environ(self, exchange: Exchange, body: Any) -> dict[str, Any] | None:
        """The environ of a request whose body is the file `body`; None where it lies outside of `script_name`."""
        head = exchange.head
        info = exchange.info
        path = head.path
        if not path.isascii():
            path = unquote_to_bytes(head.raw_path).decode('latin-1')
        if self._script_name:
            if not _is_under(path, self._script_name):
                return None
            path = path[len(self._script_name) :]
        model, field = head.like or (head, None)
        kept = model.kept
        if kept is not None and kept[0] is self and kept[1] is info and kept[2] is not None:
            environ = cast('dict[str, Any]', kept[2].copy())
            if field is not None:
                environ[self._keys.recent.get(field[0]) or self._key(field[0])] = field[1].decode('latin-1')
        else:
            environ = self._made(head, model, info)
        environ['REQUEST_METHOD'] = head.method
        environ['PATH_INFO'] = path
        environ['QUERY_STRING'] = head.query.decode('latin-1')
        environ['wsgi.input'] = body
        return environ

    def _made(self, head: RequestHead, model: RequestHead, info: ConnectionInfo) -> dict[str, Any]:
        """All that is the same for every request with the fields of `model`, but for one; kept when it is seen again."""
        environ = (self._bases.recent.get(info.server) or self._base(info)).copy()
        if info.client is not None:
            environ['REMOTE_ADDR'], port = info.client
            if port:
                # A proxy need not say it.
                environ['REMOTE_PORT'] = str(port)
        if info.prefix:
            environ['SCRIPT_NAME'] = info.prefix.encode().decode('latin-1') + self._script_name
        environ['wsgi.url_scheme'] = info.scheme
        if info.tls is not None:
            environ.update(info.tls.environ)
        environ['SERVER_PROTOCOL'] = PROTOCOLS[head.version]
        count = len(environ) + len(head.fields)
        recent = self._keys.recent.get
        for name, value in head.fields:
            environ[recent(name) or self._key(name)] = value.decode('latin-1')
        if len(environ) != count or '' in environ:
            self._join_repeated(environ, head.fields)
        else:
            # Seen once: noted. Seen twice: kept, for as long as its connection remembers the head itself.
            seen = model.kept is not None and model.kept[0] is self
            model.kept = self, info, environ.copy() if seen else None
        return environ

    def _base(self, info: ConnectionInfo) -> dict[str, Any]:
        host, port = info.server or ('', None)
        base = {
            **self._common,
            'SERVER_NAME': host,
            # A Unix socket has none.
            'SERVER_PORT': str(port or 0),
            'REMOTE_ADDR': '',
            # Set for each request; here, so that there is room for them.
            'SERVER_PROTOCOL': '',
            'wsgi.url_scheme': '',
            'REQUEST_METHOD': '',
            'PATH_INFO': '',
            'QUERY_STRING': '',
            'wsgi.input': None,
        }
        self._bases.keep(info.server, base, len(host))
        return base

    def _key(self, name: bytes) -> str:
        """The key of a field, '' where it must not arrive."""
        key = self._keys.recall(name)
        if key is not None:
            return key
        if b'_' in name:
            # It would pass for the field with a hyphen in its place, which a proxy may vouch for.
            return ''
        key = _UNPREFIXED.get(name) or 'HTTP_' + name.decode('ascii').upper().replace('-', '_')
        self._keys.keep(name, key, len(name))
        return key

    def _join_repeated(self, environ: dict[str, Any], fields: Iterable[Field]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in fields:
            values.setdefault(self._key(name), []).append(value.decode('latin-1'))
        values.pop('', None)
        environ.pop('', None)
        for key, parts in values.items():
            # RFC 6265 5.4 joins cookies by semicolons, RFC 9110 5.3 everything else by commas.
            environ[key] = ('; ' if key == 'HTTP_COOKIE' else ',').join(parts)


def _is_under(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ('', '/')
