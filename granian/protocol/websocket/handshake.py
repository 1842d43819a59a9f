"""Which WebSocket sessions are opened: the rules of the opening handshake, once for all engines (RFC 6455 4, RFC 8441 5)."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1
from typing import TYPE_CHECKING

from granian.errors import InvalidResponse
from granian.protocol.contract import Refusal
from granian.protocol.requests import has_token, is_token
from granian.protocol.websocket.extensions import Extension, parse_extensions

if TYPE_CHECKING:
    from granian.protocol.contract import Field, Fields, RequestHead
    from granian.protocol.websocket.contract import DeflateTerms

VERSION = b'13'
# What the answer to an opening says of itself: not for an application to give.
OWN_FIELDS = frozenset(
    {b'sec-websocket-accept', b'sec-websocket-protocol', b'sec-websocket-extensions', b'sec-websocket-version'}
)

# RFC 6455 4.2.2
_GUID = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
# RFC 6455 4.2.1: base64 of 16 bytes.
_is_key = re.compile(rb'[A-Za-z0-9+/]{22}==').fullmatch
_is_version = re.compile(rb'[0-9]{1,3}').fullmatch


class OpeningRefusal(Refusal):
    """An opening that is not accepted; `fields` go into the answer."""

    def __init__(self, status: int, reason: str, *fields: Field) -> None:
        super().__init__(status, reason)
        self.fields: Fields = list(fields)


class Opening:
    """What a client asks for: a session, one of these subprotocols, some of these extensions."""

    __slots__ = ('extensions', 'key', 'origin', 'subprotocols')

    def __init__(
        self, key: bytes | None, subprotocols: list[str], extensions: list[Extension], origin: bytes | None
    ) -> None:
        # None over HTTP/2, which needs no proof that this is no plain HTTP server (RFC 8441 5).
        self.key = key
        # As the client prefers them, none twice.
        self.subprotocols = subprotocols
        self.extensions = extensions
        self.origin = origin


def asks_for_websocket(head: RequestHead) -> bool:
    """Whether this request would open a session, if rightly or not."""
    return bool(head.upgrade) and has_token(head.upgrade, b'websocket')


def opening(head: RequestHead) -> Opening:
    """What a request that asks for a session asks for. Raises OpeningRefusal."""
    multiplexed = head.version == '2'
    if head.method != ('CONNECT' if multiplexed else 'GET'):
        # RFC 6455 4.2.1
        raise OpeningRefusal(405, 'a WebSocket is opened by GET', (b'allow', b'GET'))
    if head.content_length and not multiplexed:
        raise OpeningRefusal(400, 'a WebSocket is opened without a body')
    values = _values(head)
    _check_version(values.get(b'sec-websocket-version', []))
    return Opening(
        None if multiplexed else _key(values.get(b'sec-websocket-key', [])),
        _subprotocols(values.get(b'sec-websocket-protocol', [])),
        _extensions(values.get(b'sec-websocket-extensions', [])),
        values.get(b'origin', [None])[-1],
    )


def accept_fields(asked: Opening, subprotocol: str | None, terms: DeflateTerms | None) -> Fields:
    """The fields by which an opening is accepted, those of the upgrade itself among them. Raises InvalidResponse."""
    fields: Fields = []
    if asked.key is not None:
        fields += [(b'upgrade', b'websocket'), (b'sec-websocket-accept', accept_value(asked.key))]
    if subprotocol is not None:
        if subprotocol not in asked.subprotocols:
            # RFC 6455 4.1: the client would have to fail the connection.
            raise InvalidResponse(f'the client did not offer the subprotocol {subprotocol!r}')
        fields.append((b'sec-websocket-protocol', subprotocol.encode('ascii')))
    if terms is not None:
        fields.append((b'sec-websocket-extensions', terms.reply))
    return fields


def accept_value(key: bytes) -> bytes:
    """The proof that a key was read (RFC 6455 4.2.2)."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def _values(head: RequestHead) -> dict[bytes, list[bytes]]:
    values: dict[bytes, list[bytes]] = {}
    for name, value in head.fields:
        if name == b'origin' or name.startswith(b'sec-websocket-'):
            values.setdefault(name, []).append(value)
    return values


def _check_version(versions: list[bytes]) -> None:
    if len(versions) != 1 or not _is_version(versions[0]):
        raise OpeningRefusal(400, 'no Sec-WebSocket-Version, or a bad one', (b'sec-websocket-version', VERSION))
    if versions[0] != VERSION:
        # RFC 6455 4.4; RFC 9110 15.5.22 wants to be told what to upgrade to.
        fields = ((b'upgrade', b'websocket'), (b'sec-websocket-version', VERSION))
        raise OpeningRefusal(426, 'WebSocket version not served', *fields)


def _key(keys: list[bytes]) -> bytes:
    if len(keys) != 1 or not _is_key(keys[0]):
        raise OpeningRefusal(400, 'no Sec-WebSocket-Key, or a bad one')
    return keys[0]


def _subprotocols(values: list[bytes]) -> list[str]:
    # RFC 9110 5.6.1: empty elements are let pass.
    names = [name for value in values for part in value.split(b',') if (name := part.strip(b' \t'))]
    if not all(map(is_token, names)):
        raise OpeningRefusal(400, 'bad Sec-WebSocket-Protocol')
    return list(dict.fromkeys(name.decode('ascii') for name in names))


def _extensions(values: list[bytes]) -> list[Extension]:
    try:
        return parse_extensions(b','.join(values))
    except ValueError:
        # RFC 6455 9.1
        raise OpeningRefusal(400, 'bad Sec-WebSocket-Extensions') from None
