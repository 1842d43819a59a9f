"""Which requests are served: the rules of a request head, once for all engines (RFC 9112, RFC 9110)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from granian.protocol.contract import CHUNKED, Field, Fields, Refusal, RequestHead
from granian.protocol.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from granian.protocol.limits import Http1Limits, Http2Limits

# RFC 9110 5.6.2
TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# RFC 9110 5.5; obs-text is passed on as it is.
FIELD_BYTES = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
is_token = re.compile(TOKEN).fullmatch
# RFC 3986 3.2.2 and 3.2.3, without userinfo: RFC 9110 4.2.4 has it refused.
is_authority = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|\[v[0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)"
    rb'(?::[0-9]{0,5})?'
).fullmatch
# Nearly all of them, sooner found.
_is_plain_host = re.compile(rb'[A-Za-z0-9.\-]+(?::[0-9]{1,5})?').fullmatch
_absolute_form = re.compile(rb'(?i:https?)://([^/?]*)(.*)', re.DOTALL).fullmatch
_version_form = re.compile(rb'HTTP/[0-9]\.[0-9]').fullmatch
_only_digits = re.compile(rb'[0-9]{1,19}').fullmatch
# What a target may not hold: controls, space, non-ASCII and '#', the fragment mark that never travels (RFC 9112 3.2).
TARGET_BYTES = bytes(range(0x21, 0x7F)).replace(b'#', b'')

# Whether a byte is in others is asked by its number: asked for as bytes, it is looked for after an exception only, ten times as long.
TAB, LF, CR, PERCENT, SEMICOLON = b'\t\n\r%;'

# Fields that decide framing, routing or the connection's life. Every engine hands them to `request_head` by name.
SPECIAL_NAMES = frozenset({b'host', b'content-length', b'transfer-encoding', b'connection', b'expect', b'upgrade'})

# What a request line has besides its target: a method of up to 54 bytes, two spaces, the version.
LINE_BYTES_MORE = 64

# Values of Host that were found valid.
_hosts: Memory[bool] = Memory(entries_max=256, key_bytes_max=128)
_known_host = _hosts.recent.get

VERSIONS = {b'HTTP/1.1': '1.1', b'HTTP/1.0': '1.0'}
METHODS = {m.encode(): m for m in ('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE')}


def request_head(
    request_line: tuple[bytes, bytes, bytes], fields: Fields, specials: Sequence[Field], limits: Http1Limits
) -> RequestHead:
    """The checked head of (method, target, version) and valid fields; `specials`: those of SPECIAL_NAMES, in order.

    Raises Refusal.
    """
    method, target, version = request_line
    head = RequestHead()
    head.method = METHODS.get(method) or method_name(method)
    head.version = VERSIONS.get(version) or _version(version)
    head.fields = fields
    head.kept = head.like = None
    if len(specials) == 1 and specials[0][0] == b'host' and head.version == '1.1' and _is_usual_host(specials[0][1]):
        # As most requests are: no body, nothing to negotiate.
        head.authority = specials[0][1]
        head.content_length = 0
        head.expects_continue = False
        head.keep_alive = limits.keep_alive
        head.upgrade = b''
    else:
        _apply_specials(head, specials, limits)
    apply_target(head, target, limits)
    return head


def _is_usual_host(host: bytes) -> bool:
    if _known_host(host):
        return True
    if _is_plain_host(host):
        _hosts.keep(host, True, len(host))
        return True
    return False


def similar_head(
    known: RequestHead, request_line: tuple[bytes, bytes, bytes], fields: Fields, limits: Http1Limits
) -> RequestHead:
    """As `request_head`, for fields of which the special ones are those of `known`. Raises Refusal."""
    method, target, version = request_line
    head = RequestHead()
    head.method = METHODS.get(method) or method_name(method)
    head.version = VERSIONS.get(version) or _version(version)
    if head.version != known.version:
        # The version has a say in all that the special fields decide.
        return request_head(request_line, fields, [field for field in fields if field[0] in SPECIAL_NAMES], limits)
    head.fields = fields
    head.kept = head.like = None
    head.authority = known.authority
    head.content_length = known.content_length
    head.expects_continue = known.expects_continue
    head.keep_alive = known.keep_alive
    head.upgrade = known.upgrade
    apply_target(head, target, limits)
    return head


def apply_target(head: RequestHead, target: bytes, limits: Http1Limits | Http2Limits) -> None:
    """Set what the target says. Raises Refusal."""
    if len(target) > limits.target_bytes_max:
        raise Refusal(414, 'target too long')
    if target.translate(None, TARGET_BYTES):
        raise Refusal(400, 'bad byte in target')
    head.absolute = False
    if target[:1] != b'/':
        target = _unusual_target(head, target)
    raw_path, _, head.query = target.partition(b'?')
    head.raw_path = raw_path
    if PERCENT not in raw_path:
        head.path = raw_path.decode('ascii')
    else:
        head.path = unquote_to_bytes(raw_path).decode('utf-8', 'replace')


def check_partial_head(partial: bytes, scanned: int, limits: Http1Limits) -> None:
    """Refuse the start of a head that can no longer become one; `scanned` bytes of it were checked before."""
    if scanned and partial[scanned - 1] == 13:
        scanned -= 1
    if partial.count(b'\n', scanned) != partial.count(b'\r\n', scanned):
        raise Refusal(400, 'bare LF')
    if not is_token(partial[:1]):
        raise Refusal(400, 'bad request line')
    if len(partial) > limits.head_bytes_max:
        raise head_too_large(partial, limits)
    # One more: the CR of a line of exactly that length.
    line_bytes_max = limits.target_bytes_max + LINE_BYTES_MORE
    if len(partial) > line_bytes_max + 1 and partial.find(b'\r\n', 0, line_bytes_max + 2) < 0:
        raise Refusal(414, 'target too long')


def head_too_large(block: bytes, limits: Http1Limits) -> Refusal:
    """Why a head over its limit is refused: for its target or for its fields, whatever part of it has arrived."""
    seen = min(limits.head_bytes_max + 1, limits.target_bytes_max + LINE_BYTES_MORE + 2)
    if block.find(b'\r\n', 0, seen) < 0:
        return Refusal(414, 'target too long')
    return Refusal(431, 'head too large')


def split_request_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Method, target and version of a request line. Exactly one space between them (RFC 9112 3)."""
    parts = line.split(b' ')
    if len(parts) != 3:
        raise Refusal(400, 'bad request line')
    return parts[0], parts[1], parts[2]


def plain_field(line: bytes) -> Field:
    """The field of one line, name in lower case. Raises Refusal."""
    name, colon, value = line.partition(b':')
    return field_name(name, colon), field_value(value)


def field_name(name: bytes, colon: bytes) -> bytes:
    """What stands before the colon of a field line, in lower case. Raises Refusal."""
    if colon and is_token(name):
        return name.lower()
    if name[:1] in (b' ', b'\t'):
        # RFC 9112 5.2: obs-fold is refused.
        raise Refusal(400, 'folded field')
    if name[-1:] in (b' ', b'\t') and colon:
        # RFC 9112 5.1: white space before the colon must be refused.
        raise Refusal(400, 'white space before colon')
    raise Refusal(400, 'bad field name')


def field_value(value: bytes) -> bytes:
    """What stands after the colon of a field line, without the white space around it. Raises Refusal."""
    value = value.strip(b' \t')
    if value.translate(None, FIELD_BYTES):
        raise Refusal(400, 'bad byte in field')
    return value


def check_trailers(fields: Fields, limits: Http1Limits | Http2Limits) -> Fields:
    """Trailer fields that may be passed on (RFC 9110 6.5.1). Raises Refusal."""
    if len(fields) > limits.fields_max:
        raise Refusal(431, 'too many fields')
    for name, _ in fields:
        if name in SPECIAL_NAMES:
            raise Refusal(400, 'framing or routing field in trailers')
    return fields


def method_name(method: bytes) -> str:
    """A method that is not one of METHODS. Raises Refusal."""
    if method == b'CONNECT':
        # RFC 9110 9.3.6: we are an origin server and no proxy.
        raise Refusal(501, 'CONNECT is not served')
    if not is_token(method):
        raise Refusal(400, 'bad method')
    return method.decode('ascii')


def _version(version: bytes) -> str:
    if _version_form(version):
        raise Refusal(505, 'HTTP version not served')
    raise Refusal(400, 'bad request line')


def _apply_specials(head: RequestHead, specials: Sequence[Field], limits: Http1Limits) -> None:
    host: bytes | None = None
    length = 0
    lengths = codings = 0
    close = keep = change = False
    upgrade: list[bytes] = []
    head.expects_continue = False
    for name, value in specials:
        if name == b'host':
            # RFC 9112 3.2: more than one Host, or one that is not a host, is 400.
            if host is not None:
                raise Refusal(400, 'repeated Host')
            host = value
        elif name == b'connection':
            options = [option.strip(b' \t') for option in value.lower().split(b',')]
            close = close or b'close' in options
            keep = keep or b'keep-alive' in options
            change = change or b'upgrade' in options
        elif name == b'content-length':
            # RFC 9112 6.3: equal repeats may be folded into one. We refuse any repeat, and any list.
            if lengths:
                raise Refusal(400, 'bad Content-Length')
            lengths = 1
            length = body_length(value)
        elif name == b'transfer-encoding':
            if codings or value.lower() != b'chunked':
                raise _bad_coding(value, codings)
            codings = 1
        elif name == b'expect':
            check_expectation(value)
            # RFC 9110 10.1.1: ignored from an HTTP/1.0 client.
            head.expects_continue = head.version != '1.0'
        elif name == b'upgrade':
            upgrade.append(value.lower())
    # RFC 9110 7.8: without the connection option it was meant for somebody else; from HTTP/1.0 it is ignored.
    head.upgrade = b','.join(upgrade) if change and head.version == '1.1' else b''
    if codings:
        length = _chunked(head, lengths)
    if host is None:
        if head.version == '1.1' and limits.require_host:
            raise Refusal(400, 'missing Host')
    elif not is_host(host) and (host or limits.require_host):
        raise Refusal(400, 'bad Host')
    head.authority = host
    check_body_length(length, limits)
    head.content_length = length
    # RFC 9112 9.3
    head.keep_alive = limits.keep_alive and not close and (keep or head.version != '1.0')
    head.expects_continue = head.expects_continue and length != 0


def is_host(value: bytes) -> bool:
    """Whether this names a host, perhaps with a port."""
    if _known_host(value):
        return True
    if not (_is_plain_host(value) or is_authority(value)):
        return False
    _hosts.keep(value, True, len(value))
    return True


def body_length(value: bytes) -> int:
    """The length that a Content-Length declares. Raises Refusal."""
    if not _only_digits(value):
        raise Refusal(400, 'bad Content-Length')
    return int(value)


def check_body_length(length: int, limits: Http1Limits | Http2Limits) -> None:
    if limits.body_bytes_max is not None and length > limits.body_bytes_max:
        raise Refusal(413, 'body too large')


def check_expectation(value: bytes) -> None:
    """Refuse what Expect asks for beyond the one thing that is known."""
    if value.lower() != b'100-continue':
        # RFC 9110 10.1.1
        raise Refusal(417, 'unknown expectation')


def _chunked(head: RequestHead, lengths: int) -> int:
    # RFC 9112 6.1: Transfer-Encoding on HTTP/1.0 is faulty framing; 6.3: together with Content-Length it is an attack.
    if head.version == '1.0':
        raise Refusal(400, 'Transfer-Encoding on HTTP/1.0')
    if lengths:
        raise Refusal(400, 'both Transfer-Encoding and Content-Length')
    return CHUNKED


def _bad_coding(value: bytes, codings: int) -> Refusal:
    tokens = [token.strip(b' \t') for token in value.lower().split(b',')]
    if codings or tokens[-1] != b'chunked' or b'chunked' in tokens[:-1]:
        # RFC 9112 6.3: not ending in chunked, the length of a request cannot be known.
        return Refusal(400, 'bad Transfer-Encoding')
    return Refusal(501, 'transfer coding not served')


def has_token(value: bytes, token: bytes) -> bool:
    """Whether a comma-separated list in lower case names `token`."""
    return value == token or token in [part.strip(b' \t') for part in value.split(b',')]


def _unusual_target(head: RequestHead, target: bytes) -> bytes:
    """The origin form of an absolute-form or asterisk-form target (RFC 9112 3.2.2, 3.2.4)."""
    if target == b'*' and head.method == 'OPTIONS':
        return target
    match = _absolute_form(target)
    if match is None:
        raise Refusal(400, 'bad target')
    authority, rest = match.groups()
    if not is_authority(authority):
        raise Refusal(400, 'bad target')
    # RFC 9112 3.2.2: what Host says is replaced by what the target says.
    head.absolute = True
    head.authority = authority
    head.fields = [field for field in head.fields if field[0] != b'host']
    head.fields.insert(0, (b'host', authority))
    if not rest and head.method == 'OPTIONS':
        return b'*'
    return rest if rest[:1] == b'/' else b'/' + rest
