"""Which HTTP/2 requests are served and how responses look there, once for all engines (RFC 9113 8).

A Refusal with status 400 is a malformed request, to be reset with PROTOCOL_ERROR (RFC 9113 8.1.1); one with any other
status is answered by `refusal_answer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.contract import CHUNKED, Fields, Refusal, RequestHead
from granian.protocol.http2.frames import ENHANCE_YOUR_CALM, ConnectionFault
from granian.protocol.requests import (
    FIELD_BYTES,
    METHODS,
    TAB,
    apply_target,
    body_length,
    check_body_length,
    check_expectation,
    check_trailers,
    is_host,
    is_token,
    method_name,
)
from granian.protocol.responses import CONNECTION_FIELDS, interim_fields, is_length_free, response_head, trailer_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from granian.protocol.contract import Field, ResponseDefaults
    from granian.protocol.limits import Http2Limits
    from granian.protocol.responses import ResponseHead

# RFC 9110 5.6.2 without upper case: RFC 9113 8.2.1 has it refused.
NAME_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
# RFC 9113 6.5.2: what each field counts for in a list beside its name and its value.
FIELD_BYTES_MORE = 32

# Over its bound a list is answered 431. So many times over it its connection ends, and the rest of its block need not be
# decoded (RFC 9113 10.5.1): the text of the longest block that is taken comes to less, unless it is named again and again.
EXCESS = 4
# What the bounds count for at least.
EXCESS_BYTES_LEAST = 64 * 1024
EXCESS_FIELDS_LEAST = 64

_USUAL_PSEUDO = frozenset({b':method', b':scheme', b':authority', b':path'})
_KNOWN_PSEUDO = _USUAL_PSEUDO | {b':protocol'}
# RFC 9113 8.2.2: fields of one HTTP/1 connection. `te` may still say `trailers`.
_REFUSED_NAMES = CONNECTION_FIELDS - {b'te'}
_SPECIAL_NAMES = CONNECTION_FIELDS | {b'host', b'content-length', b'expect', b'cookie'}
_special_among = _SPECIAL_NAMES.intersection
_VALUE_LINES = FIELD_BYTES + b'\n'
_SCHEMES = frozenset({b'http', b'https'})


def request_head(fields: Fields, limits: Http2Limits, *, ended: bool) -> RequestHead:
    """The checked head of a decoded field list; `ended`: no body follows. Raises Refusal."""
    pseudo: dict[bytes, bytes] = {}
    count = 0
    for name, value in fields:
        if not name.startswith(b':'):
            break
        pseudo[name] = value
        count += 1
    if pseudo.keys() != _USUAL_PSEUDO or count != len(pseudo):
        _check_pseudo(pseudo, count)
    plain = fields[count:]
    special = _check_plain(plain, limits)
    head = RequestHead()
    head.kept = head.like = None
    head.version = '2'
    head.keep_alive = True
    head.content_length = 0 if ended else CHUNKED
    head.expects_continue = False
    head.upgrade = pseudo.get(b':protocol', b'').lower()
    authority = pseudo.get(b':authority')
    if special:
        plain, authority = _apply_special(head, special, plain, authority)
        _apply_length(head, plain, limits, ended=ended)
    if authority is None or not is_host(authority):
        # RFC 9113 8.3.1; userinfo is no part of a host.
        raise Refusal(400, 'bad authority' if authority else 'missing authority')
    head.authority = authority
    head.fields = plain if b'host' in special and b':authority' not in pseudo else [(b'host', authority), *plain]
    _apply_request_line(head, pseudo, limits)
    return head


def _check_pseudo(pseudo: dict[bytes, bytes], count: int) -> None:
    """Refuse the pseudo-fields of a request that are not as most are, unless they may be so (RFC 9113 8.3)."""
    if count != len(pseudo):
        raise Refusal(400, 'repeated pseudo-field')
    if not pseudo.keys() <= _KNOWN_PSEUDO:
        raise Refusal(400, 'unknown pseudo-field')
    if b':method' not in pseudo:
        raise Refusal(400, 'missing :method')
    connect = pseudo[b':method'] == b'CONNECT'
    if b':protocol' in pseudo:
        # RFC 8441 4
        if not connect:
            raise Refusal(400, ':protocol without CONNECT')
        if not is_token(pseudo[b':protocol']):
            raise Refusal(400, 'bad :protocol')
        if b':authority' not in pseudo:
            raise Refusal(400, 'missing authority')
    elif connect:
        # RFC 9113 8.5: only these two. Such a request is well formed, and not served by us.
        if pseudo.keys() != {b':method', b':authority'}:
            raise Refusal(400, 'bad pseudo-fields of CONNECT')
        method_name(b'CONNECT')
    if b':scheme' not in pseudo or b':path' not in pseudo:
        raise Refusal(400, 'missing :scheme or :path')
    if pseudo.get(b':protocol', b'websocket').lower() != b'websocket':
        # RFC 9220 3. To an application it would look like any request, and its answer like an open tunnel.
        raise Refusal(501, 'protocol of CONNECT not served')


def _check_plain(fields: Fields, limits: Http2Limits) -> frozenset[bytes]:
    """Check names and values; the names found that decide something. Raises Refusal."""
    if len(fields) > limits.fields_max:
        raise Refusal(431, 'too many fields')
    if not fields:
        return frozenset()
    names, values = zip(*fields, strict=True)
    if b''.join(names).translate(None, NAME_BYTES) or b'' in names:
        raise _bad_name(names)
    lines = b'\n%b\n' % b'\n'.join(values)
    if lines.translate(None, _VALUE_LINES) or lines.count(b'\n') != len(values) + 1:
        raise Refusal(400, 'bad byte in field')
    if TAB in lines or lines.find(b'\n ') >= 0 or lines.find(b' \n') >= 0:
        _check_ends(values)
    return _special_among(names)


def _bad_name(names: Sequence[bytes]) -> Refusal:
    if any(name.startswith(b':') for name in names):
        # RFC 9113 8.3: all of them stand before the first field.
        return Refusal(400, 'pseudo-field after a field')
    if any(name != name.lower() for name in names):
        # RFC 9113 8.2.1
        return Refusal(400, 'upper case in field name')
    return Refusal(400, 'bad field name')


def _check_ends(values: Sequence[bytes]) -> None:
    if any(value != value.strip(b' \t') for value in values):
        # RFC 9113 8.2.1
        raise Refusal(400, 'white space around field value')


def _apply_special(
    head: RequestHead, special: frozenset[bytes], fields: Fields, authority: bytes | None
) -> tuple[Fields, bytes | None]:
    """Check the fields named by `special`; the fields as the application gets them, and the authority."""
    if special & _REFUSED_NAMES:
        # RFC 9113 8.2.2
        raise Refusal(400, 'connection-specific field')
    if b'te' in special and any(name == b'te' and value.lower() != b'trailers' for name, value in fields):
        raise Refusal(400, 'te other than trailers')
    if b'expect' in special:
        for name, value in fields:
            if name == b'expect':
                check_expectation(value)
        head.expects_continue = True
    if b'host' in special:
        fields, authority = _merge_host(fields, authority)
    if b'cookie' in special:
        fields = _join_cookies(fields)
    return fields, authority


def _merge_host(fields: Fields, authority: bytes | None) -> tuple[Fields, bytes]:
    hosts = [value for name, value in fields if name == b'host']
    if len(hosts) > 1:
        raise Refusal(400, 'repeated Host')
    if authority is None:
        return fields, hosts[0]
    if hosts[0].lower() != authority.lower():
        # RFC 9113 8.3.1
        raise Refusal(400, 'Host differs from :authority')
    return [field for field in fields if field[0] != b'host'], authority


def _join_cookies(fields: Fields) -> Fields:
    """RFC 9113 8.2.3: crumbs are one field to whatever is not HTTP/2. It stands where the first of them did."""
    crumbs = [value for name, value in fields if name == b'cookie']
    if len(crumbs) == 1:
        return fields
    at = next(at for at, (name, _) in enumerate(fields) if name == b'cookie')
    joined = [field for field in fields if field[0] != b'cookie']
    joined.insert(at, (b'cookie', b'; '.join(crumbs)))
    return joined


def _apply_length(head: RequestHead, fields: Fields, limits: Http2Limits, *, ended: bool) -> None:
    lengths = [body_length(value) for name, value in fields if name == b'content-length']
    # RFC 9110 8.6: equal repeats may be folded into one. We refuse any repeat.
    if len(lengths) > 1:
        raise Refusal(400, 'bad Content-Length')
    # RFC 9110 9.3.6, RFC 9113 8.1.1: CONNECT has no content, and the length of what has none need not be right.
    if lengths and not head.upgrade:
        # RFC 9113 8.1.1: a length that differs from that of the body.
        if ended and lengths[0]:
            raise Refusal(400, 'bad Content-Length')
        check_body_length(lengths[0], limits)
        head.content_length = lengths[0]
    head.expects_continue = head.expects_continue and head.content_length != 0


def _apply_request_line(head: RequestHead, pseudo: dict[bytes, bytes], limits: Http2Limits) -> None:
    method, path = pseudo[b':method'], pseudo[b':path']
    if head.upgrade:
        head.method = 'CONNECT'
    elif method == b'CONNECT':
        # RFC 9113 8.5
        raise Refusal(400, 'bad pseudo-fields of CONNECT')
    else:
        head.method = METHODS.get(method) or method_name(method)
    if pseudo[b':scheme'] not in _SCHEMES and pseudo[b':scheme'].lower() not in _SCHEMES:
        raise Refusal(400, 'unknown scheme')
    if path[:1] != b'/' and (path != b'*' or method != b'OPTIONS'):
        # RFC 9113 8.3.1: never empty, and in no other form.
        raise Refusal(400, 'bad target')
    apply_target(head, path, limits)


def decides_nothing(name: bytes) -> bool:
    """Whether no rule looks at more than the bytes of the fields of this name."""
    return name not in _SPECIAL_NAMES and name not in _KNOWN_PSEUDO


def list_bytes(fields: Iterable[Field]) -> int:
    """The size of a field list as SETTINGS_MAX_HEADER_LIST_SIZE has it counted (RFC 9113 6.5.2)."""
    return sum([len(name) + len(value) + FIELD_BYTES_MORE for name, value in fields])


def excess_fields(limits: Http2Limits) -> int:
    """How many fields a list may have for its connection to go on."""
    return EXCESS * max(limits.fields_max, EXCESS_FIELDS_LEAST)


def excess_bytes(limits: Http2Limits) -> int:
    """… and how many bytes, by `list_bytes`."""
    return EXCESS * max(limits.head_bytes_max, EXCESS_BYTES_LEAST)


def check_list(fields: Fields, limits: Http2Limits) -> None:
    """Bound a field list by SETTINGS_MAX_HEADER_LIST_SIZE. Raises Refusal, and ConnectionFault where it is far too large."""
    size = list_bytes(fields)
    if size > excess_bytes(limits) or len(fields) > excess_fields(limits):
        raise list_excess()
    if size > limits.head_bytes_max:
        raise Refusal(431, 'head too large')


def list_excess() -> ConnectionFault:
    """Why a connection ends on which a list is far too large."""
    return ConnectionFault(ENHANCE_YOUR_CALM, 'field list far too large')


def request_line(fields: Iterable[Field]) -> bytes:
    """What the log shows of a request that was refused, like HTTP/1's request line, at most 256 bytes of it."""
    pseudo = dict([field for field in fields if field[0].startswith(b':')])
    return b'%b %b HTTP/2' % (pseudo.get(b':method', b'-')[:64], pseudo.get(b':path', b'-')[:180])


def request_trailers(fields: Fields, limits: Http2Limits) -> Fields:
    """The trailers of a request, which may be passed on. Raises Refusal."""
    special = _check_plain(fields, limits)
    if special & CONNECTION_FIELDS:
        raise Refusal(400, 'connection-specific field')
    return check_trailers(fields, limits)


def refusal_answer(refusal: Refusal) -> tuple[ResponseHead, bytes]:
    """Head and body of the answer to a refused request, whose stream ends after it. No body goes to HEAD."""
    return response_head(refusal.status, [(b'content-type', b'text/plain; charset=utf-8')]), b'%b\n' % (
        refusal.reason.encode()
    )


def plain_fields(response: ResponseHead) -> Fields:
    """The fields of a response as HTTP/2 has them, without what the engine adds. Not to be changed."""
    fields = response.http2
    if fields is None:
        lower = [(name.lower(), value) for name, value in response.fields]
        # RFC 9113 8.2.2; a 426 has both `upgrade` and `connection`.
        fields = response.http2 = [field for field in lower if field[0] not in CONNECTION_FIELDS]
    return fields


def response_fields(response: ResponseHead, length: int | None, defaults: ResponseDefaults) -> Fields:
    """All the fields of a final response, `:status` first. `length`: the content-length to declare, None for none."""
    fields = [(b':status', b'%d' % response.status), *plain_fields(response)]
    if length is not None and not is_length_free(response.status):
        fields.append((b'content-length', b'%d' % length))
    if defaults.server_value and not response.has_server:
        fields.append((b'server', defaults.server_value))
    if defaults.date_value and not response.has_date:
        fields.append((b'date', defaults.date_value))
    return fields


def upgraded_fields(response: ResponseHead, defaults: ResponseDefaults) -> Fields:
    """All the fields of the answer that opens an extended CONNECT (RFC 8441 5), of a head of `responses.upgrade_head`."""
    return [(b':status', b'200'), *response_fields(response, None, defaults)[1:]]


def response_interim_fields(status: int, fields: Iterable[Field]) -> Fields:
    """The fields of an interim response, `:status` first. Raises InvalidResponse."""
    return [(b':status', b'%d' % status), *_lower(interim_fields(status, fields))]


def response_trailers(fields: Iterable[Field]) -> Fields:
    """The trailers of a response. Raises InvalidResponse."""
    return _lower(trailer_fields(fields))


def _lower(fields: Fields) -> Fields:
    return [(name.lower(), value) for name, value in fields]
