"""Request heads: which are refused with what, and what the others mean (RFC 9112 2, 3, 5; RFC 9110 5, 7, 9, 10).

A refused case is (name, status, bytes). A served one is (name, bytes, attributes of the request).
"""

from __future__ import annotations

from typing import Any

Refused = tuple[str, int, bytes]
Served = tuple[str, bytes, dict[str, Any]]

CONTROLS = [c for c in (*range(0x20), 0x7F) if c not in (0x09, 0x0A, 0x0D)]


def head(line: bytes = b'GET / HTTP/1.1', *fields: bytes, host: bytes | None = b'a') -> bytes:
    hosts = [] if host is None else [b'Host: %b' % host]
    return b'\r\n'.join([line, *hosts, *fields, b'', b''])


def _line(name: str, status: int, line: bytes) -> Refused:
    return f'line-{name}', status, head(line)


def _target(name: str, target: bytes, method: bytes = b'GET', status: int = 400) -> Refused:
    return f'target-{name}', status, head(b'%b %b HTTP/1.1' % (method, target))


def _version(version: bytes, status: int) -> Refused:
    return f'version-{version!r}', status, head(b'GET / %b' % version)


def _host(name: str, value: bytes) -> Refused:
    return f'host-{name}', 400, head(host=value)


def _field(name: str, line: bytes) -> Refused:
    return f'field-{name}', 400, head(b'GET / HTTP/1.1', line)


REQUEST_LINES: list[Refused] = [
    _line('no-method', 400, b' / HTTP/1.1'),
    _line('leading-space', 400, b' GET / HTTP/1.1'),
    _line('leading-tab', 400, b'\tGET / HTTP/1.1'),
    _line('two-spaces-after-method', 400, b'GET  / HTTP/1.1'),
    _line('two-spaces-after-target', 400, b'GET /  HTTP/1.1'),
    _line('tab-after-method', 400, b'GET\t/ HTTP/1.1'),
    _line('tab-after-target', 400, b'GET /\tHTTP/1.1'),
    _line('trailing-space', 400, b'GET / HTTP/1.1 '),
    _line('trailing-tab', 400, b'GET / HTTP/1.1\t'),
    _line('trailing-word', 400, b'GET / HTTP/1.1 x'),
    _line('simple-request', 400, b'GET /'),
    _line('method-only', 400, b'GET'),
    _line('no-target', 400, b'GET HTTP/1.1'),
    _line('empty-target', 400, b'GET  HTTP/1.1'),
    _line('response', 400, b'HTTP/1.1 200 OK'),
    _line('field', 400, b'Accept: x'),
    _line('non-ascii-method', 400, b'G\x80T / HTTP/1.1'),
    _line('delimiter-in-method', 400, b'G(T / HTTP/1.1'),
    _line('quoted-method', 400, b'"GET" / HTTP/1.1'),
    _line('colon-in-method', 400, b'GET: / HTTP/1.1'),
    _line('connect-authority', 501, b'CONNECT a:443 HTTP/1.1'),
    _line('connect-origin', 501, b'CONNECT / HTTP/1.1'),
    _line('connect-absolute', 501, b'CONNECT http://a/ HTTP/1.1'),
    _line('http2-preface', 505, b'PRI * HTTP/2.0'),
    *[_line(f'control-{c:#04x}-in-method', 400, b'G%cT / HTTP/1.1' % c) for c in CONTROLS],
    ('line-bare-lf', 400, b'GET / HTTP/1.1\nHost: a\r\n\r\n'),
    ('line-all-bare-lf', 400, b'GET / HTTP/1.1\nHost: a\n\n'),
    ('line-bare-cr', 400, b'GET / HTTP/1.1\rHost: a\r\n\r\n'),
    ('line-two-cr', 400, b'GET / HTTP/1.1\r\r\nHost: a\r\n\r\n'),
    ('line-cr-in-target', 400, b'GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n'),
    ('line-lf-in-target', 400, b'GET /\nx HTTP/1.1\r\nHost: a\r\n\r\n'),
    ('line-lf-in-method', 400, b'G\nET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    ('two-empty-lines', 400, b'\r\n\r\n' + head()),
    ('three-empty-lines', 400, b'\r\n\r\n\r\n' + head()),
    ('empty-line-bare-lf', 400, b'\n' + head()),
    ('empty-line-bare-cr', 400, b'\r' + head()),
    ('empty-line-space', 400, b' \r\n' + head()),
    ('tls-hello', 400, b'\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n'),
]

VERSIONS: list[Refused] = [
    *[_version(v, 505) for v in (b'HTTP/2.0', b'HTTP/1.2', b'HTTP/0.9', b'HTTP/3.0', b'HTTP/9.9', b'HTTP/0.0')],
    *[
        _version(v, 400)
        for v in (
            b'HTTP/1', b'HTTP/1.', b'HTTP/.1', b'HTTP/1.10', b'HTTP/11.1', b'HTTP/01.1', b'HTTP/1.1x', b'http/1.1', b'Http/1.1',
            b'HTTPS/1.1', b'HTTP/1,1', b'HTTP/-1.1', b'HTTP/+1.1', b'HTTP/1.\xb9', b'HTTP/a.b', b'HTTP1.1', b'1.1', b'HTTP',
            b'ICE/1.0', b'RTSP/1.0', b'HTTP//1.1', b'HTTP/1.1\x00', b'HTTP/1.1\x0b', b'HTTP/1.1\x0c',
        )
    ],
]  # fmt: skip

TARGETS: list[Refused] = [
    _target('relative', b'path'),
    _target('query-only', b'?a=b'),
    _target('dot', b'.'),
    _target('asterisk-with-get', b'*'),
    _target('asterisk-and-more', b'*x', b'OPTIONS'),
    _target('authority', b'a:80'),
    _target('host', b'a.example'),
    _target('fragment', b'/a#b'),
    _target('fragment-only', b'#'),
    _target('non-ascii', b'/\xc3\xa4'),
    _target('high-byte', b'/\xff'),
    _target('other-scheme', b'ftp://a/'),
    _target('scheme-only', b'http:'),
    _target('one-slash', b'http:/a'),
    _target('no-authority', b'http:///a'),
    _target('empty-authority', b'http://'),
    _target('user', b'http://user@a/'),
    _target('user-and-password', b'http://user:pw@a/'),
    _target('bad-port', b'http://a:b/'),
    _target('long-port', b'http://a:123456/'),
    _target('open-bracket', b'http://[::1/'),
    _target('bare-ipv6', b'http://::1/'),
    _target('percent-host', b'http://a%zz/'),
    _target('backslash-host', b'http://a\\b/'),
    _target('leading-whitespace-byte', b'\x0b/'),
    *[_target(f'control-{c:#04x}', b'/a%cb' % c) for c in CONTROLS],
]

HOSTS: list[Refused] = [
    ('host-missing', 400, head(host=None)),
    ('host-missing-with-fields', 400, head(b'GET / HTTP/1.1', b'Accept: x', host=None)),
    ('host-missing-absolute-form', 400, head(b'GET http://a/ HTTP/1.1', host=None)),
    ('host-twice-equal', 400, head(b'GET / HTTP/1.1', b'Host: a')),
    ('host-twice-different', 400, head(b'GET / HTTP/1.1', b'Host: b')),
    ('host-twice-other-case', 400, head(b'GET / HTTP/1.1', b'HOST: a')),
    ('host-twice-second-empty', 400, head(b'GET / HTTP/1.1', b'Host:')),
    ('host-twice-apart', 400, head(b'GET / HTTP/1.1', b'Accept: x', b'host: b')),
    ('host-twice-http10', 400, head(b'GET / HTTP/1.0', b'Host: a')),
    ('host-twice-absolute-form', 400, head(b'GET http://a/ HTTP/1.1', b'Host: a')),
    ('host-bad-http10', 400, head(b'GET / HTTP/1.0', host=b'a b')),
    _host('empty', b''),
    _host('spaces', b'   '),
    _host('two-words', b'a b'),
    _host('list', b'a, b'),
    _host('path', b'a/b'),
    _host('slash', b'/'),
    _host('url', b'http://a'),
    _host('query', b'a?b'),
    _host('fragment', b'a#b'),
    _host('user', b'user@a'),
    _host('port-letters', b'a:b'),
    _host('port-negative', b'a:-1'),
    _host('port-six-digits', b'a:123456'),
    _host('two-ports', b'a:1:2'),
    _host('port-only', b':80'),
    _host('bare-ipv6', b'::1'),
    _host('open-bracket', b'[::1'),
    _host('empty-brackets', b'[]'),
    _host('text-after-bracket', b'[::1]a'),
    _host('ipv6-zone', b'[fe80::1%eth0]'),
    _host('percent', b'a%2'),
    _host('percent-letters', b'a%zz'),
    _host('non-ascii', b'\xc3\xa4'),
    _host('backslash', b'a\\b'),
    _host('quoted', b'"a"'),
    _host('tab-inside', b'a\tb'),
    _host('nul', b'a\x00'),
]

FIELDS: list[Refused] = [
    _field('no-colon', b'Accept'),
    _field('no-colon-known-name', b'Host'),
    _field('no-name', b': x'),
    _field('only-colon', b':'),
    _field('space-name', b' : x'),
    _field('space-before-colon', b'Accept : x'),
    _field('tab-before-colon', b'Accept\t: x'),
    _field('folded-space', b'Accept: x\r\n y'),
    _field('folded-tab', b'Accept: x\r\n\ty'),
    _field('folded-empty', b'Accept: x\r\n '),
    _field('folded-host', b' folded: x'),
    ('field-folded-first', 400, b'GET / HTTP/1.1\r\n Host: a\r\n\r\n'),
    ('field-folded-request-line', 400, b'GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n'),
    _field('space-in-name', b'Acc ept: x'),
    _field('tab-in-name', b'Acc\tept: x'),
    _field('non-ascii-name', b'Acc\xc3\xa4pt: x'),
    _field('high-byte-name', b'\xa0Accept: x'),
    *[_field(f'delimiter-{c:c}-in-name', b'X%cY: x' % c) for c in b'"(),/;<=>?@[\\]{}'],
    *[_field(f'control-{c:#04x}-in-name', b'X%cY: x' % c) for c in CONTROLS],
    *[_field(f'control-{c:#04x}-in-value', b'X: a%cb' % c) for c in CONTROLS],
    *[_field(f'control-{c:#04x}-at-end', b'X: a%c' % c) for c in (0x00, 0x0B, 0x0C, 0x1C, 0x1F, 0x7F)],
    *[_field(f'control-{c:#04x}-before-value', b'X:%ca' % c) for c in (0x00, 0x0B, 0x0C, 0x1C, 0x1F)],
    _field('bare-cr-in-value', b'X: a\rb'),
    _field('bare-cr-at-end', b'X: a\r'),
    _field('bare-cr-before-value', b'X:\ra'),
    _field('bare-cr-in-name', b'X\rY: a'),
    _field('bare-lf-in-value', b'X: a\nb: c'),
    _field('bare-lf-at-end', b'X: a\n'),
    _field('bare-lf-in-name', b'X\nY: a'),
    _field('lf-cr', b'X: a\n\rY: b'),
    ('field-bare-lf-ends-head', 400, b'GET / HTTP/1.1\r\nHost: a\n\n'),
    ('field-bare-lf-crlf-ends-head', 400, b'GET / HTTP/1.1\r\nHost: a\n\r\n'),
    ('field-crlf-bare-lf-ends-head', 400, b'GET / HTTP/1.1\r\nHost: a\r\n\n'),
    ('field-cr-cr-lf-ends-head', 400, b'GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n'),
]

EXPECTATIONS: list[Refused] = [
    ('expect-other', 417, head(b'POST / HTTP/1.1', b'Expect: magic', b'Content-Length: 1')),
    ('expect-list', 417, head(b'POST / HTTP/1.1', b'Expect: 100-continue, magic', b'Content-Length: 1')),
    ('expect-empty', 417, head(b'POST / HTTP/1.1', b'Expect:', b'Content-Length: 1')),
    ('expect-longer', 417, head(b'POST / HTTP/1.1', b'Expect: 100-continues', b'Content-Length: 1')),
    ('expect-parameter', 417, head(b'POST / HTTP/1.1', b'Expect: 100-continue;a', b'Content-Length: 1')),
    ('expect-other-http10', 417, head(b'POST / HTTP/1.0', b'Expect: magic', b'Content-Length: 1')),
    ('expect-other-after-known', 417, head(b'GET / HTTP/1.1', b'Expect: 100-continue', b'Expect: magic')),
]

REFUSED_HEADS: list[Refused] = [*REQUEST_LINES, *VERSIONS, *TARGETS, *HOSTS, *FIELDS, *EXPECTATIONS]


def _to(name: str, target: bytes, method: bytes = b'GET', **attributes: Any) -> Served:
    return f'target-{name}', head(b'%b %b HTTP/1.1' % (method, target)), attributes


def _method(method: bytes) -> Served:
    return f'method-{method!r}', head(b'%b / HTTP/1.1' % method), {'method': method.decode()}


def _with(name: str, line: bytes, *expected: tuple[bytes, bytes], **attributes: Any) -> Served:
    return f'field-{name}', head(b'GET / HTTP/1.1', line), {'fields': [(b'host', b'a'), *expected], **attributes}


def _at(host: bytes) -> Served:
    return f'host-{host!r}', head(host=host), {'authority': host}


SERVED_HEADS: list[Served] = [
    ('plain', head(), {
        'method': 'GET', 'raw_path': b'/', 'path': '/', 'query': b'', 'version': '1.1', 'fields': [(b'host', b'a')],
        'authority': b'a', 'content_length': 0, 'expects_continue': False, 'keep_alive': True, 'body': b'',
    }),
    ('one-empty-line-before', b'\r\n' + head(), {'raw_path': b'/'}),
    ('no-upgrade', head(), {'upgrade': b''}),
    ('upgrade', head(b'GET / HTTP/1.1', b'Connection: keep-alive, Upgrade', b'Upgrade: WebSocket'), {'upgrade': b'websocket'}),
    ('upgrade-list', head(b'GET / HTTP/1.1', b'Connection: upgrade', b'Upgrade: h2c, IRC/6.9'), {'upgrade': b'h2c, irc/6.9'}),
    ('upgrade-lines', head(b'GET / HTTP/1.1', b'Connection: upgrade', b'Upgrade: a', b'Upgrade: b'), {'upgrade': b'a,b'}),
    ('upgrade-without-option', head(b'GET / HTTP/1.1', b'Connection: keep-alive', b'Upgrade: websocket'), {'upgrade': b''}),
    ('upgrade-option-alone', head(b'GET / HTTP/1.1', b'Connection: upgrade'), {'upgrade': b''}),
    ('upgrade-from-1.0', head(b'GET / HTTP/1.0', b'Connection: keep-alive, upgrade', b'Upgrade: websocket'), {'upgrade': b''}),
    *[_method(m) for m in (b'HEAD', b'POST', b'PUT', b'DELETE', b'OPTIONS', b'PATCH', b'TRACE', b'PROPFIND', b'M-SEARCH')],
    *[_method(m) for m in (b'get', b'G', b"!#$%&'*+-.^_`|~9", b'CONNECTS', b'connect', b'X' * 54)],
    _to('path', b'/a/b', raw_path=b'/a/b', path='/a/b', query=b''),
    _to('query', b'/a?b=c', raw_path=b'/a', query=b'b=c'),
    _to('empty-query', b'/a?', raw_path=b'/a', query=b''),
    _to('two-question-marks', b'/a?b?c', raw_path=b'/a', query=b'b?c'),
    _to('parameters', b'/a;b=c', raw_path=b'/a;b=c'),
    _to('dots', b'/a/../b/./c', raw_path=b'/a/../b/./c', path='/a/../b/./c'),
    _to('double-slash', b'//a/b', raw_path=b'//a/b', path='//a/b', authority=b'a'),
    _to('percent', b'/%41%2Fb', raw_path=b'/%41%2Fb', path='/A/b'),
    _to('percent-utf8', b'/%C3%A4', path='/ä'),
    _to('percent-bad-utf8', b'/%FF', path='/�'),
    _to('percent-not-hex', b'/%zz%', path='/%zz%'),
    _to('percent-in-query-stays', b'/?%41', query=b'%41'),
    _to('url-in-path', b'/http://b/', raw_path=b'/http://b/', authority=b'a'),
    _to('asterisk', b'*', b'OPTIONS', raw_path=b'*', path='*', authority=b'a'),
    _to('absolute', b'http://b.example/x?y', raw_path=b'/x', query=b'y', authority=b'b.example',
        fields=[(b'host', b'b.example')]),
    _to('absolute-upper-case', b'HTTP://b/', raw_path=b'/', authority=b'b'),
    _to('absolute-https-port', b'https://b:8443/x', raw_path=b'/x', authority=b'b:8443'),
    _to('absolute-no-path', b'http://b', raw_path=b'/', authority=b'b'),
    _to('absolute-query-only', b'http://b?x=y', raw_path=b'/', query=b'x=y', authority=b'b'),
    _to('absolute-ipv6', b'http://[::1]:80/', raw_path=b'/', authority=b'[::1]:80'),
    _to('absolute-options', b'http://b', b'OPTIONS', raw_path=b'*', authority=b'b'),
    _to('absolute-options-slash', b'http://b/', b'OPTIONS', raw_path=b'/', authority=b'b'),
    *[_at(h) for h in (
        b'a.example', b'a.example:8000', b'a:', b'127.0.0.1', b'127.0.0.1:80', b'[::1]', b'[::1]:80', b'[::ffff:1.2.3.4]',
        b'[v1.a:b]', b'a%41', b'a_b', b'xn--a-0ga', b'a.b.c.', b'A.EXAMPLE', b'a,b',
    )],
    ('host-http10-missing', head(b'GET / HTTP/1.0', host=None), {'authority': None, 'version': '1.0', 'keep_alive': False}),
    ('host-http10', head(b'GET / HTTP/1.0'), {'authority': b'a', 'version': '1.0', 'keep_alive': False}),
    ('host-last', b'GET / HTTP/1.1\r\nAccept: x\r\nHost: a\r\n\r\n', {'fields': [(b'accept', b'x'), (b'host', b'a')]}),
    ('host-upper-case', b'GET / HTTP/1.1\r\nHOST: a\r\n\r\n', {'authority': b'a'}),
    _with('name-in-lower-case', b'X-Custom-NAME: V', (b'x-custom-name', b'V')),
    _with('no-space', b'X:v', (b'x', b'v')),
    _with('spaces-around', b'X:  \t v \t ', (b'x', b'v')),
    _with('empty', b'X:', (b'x', b'')),
    _with('only-white-space', b'X: \t ', (b'x', b'')),
    _with('inner-white-space', b'X: a  b\tc', (b'x', b'a  b\tc')),
    _with('colons', b'X: a:b: c', (b'x', b'a:b: c')),
    _with('colon-first', b'X:: a', (b'x', b': a')),
    _with('all-of-token', b"!#$%&'*+-.^_`|~9aZ: v", (b"!#$%&'*+-.^_`|~9az", b'v')),
    _with('obs-text', b'X: \x80\xe4\xff', (b'x', b'\x80\xe4\xff')),
    _with('non-breaking-space-stays', b'X: \xa0v\xa0', (b'x', b'\xa0v\xa0')),
    _with('repeats-in-order', b'X: 1\r\nY: 2\r\nx: 3', (b'x', b'1'), (b'y', b'2'), (b'x', b'3')),
    _with('cookies', b'Cookie: a=1\r\nCookie: b=2', (b'cookie', b'a=1'), (b'cookie', b'b=2')),
    _with('underscore', b'Content_Length: 5', (b'content_length', b'5'), content_length=0),
    _with('quotes-and-delimiters', b'X: "(a),/;<b>=?@[c]{}\\"', (b'x', b'"(a),/;<b>=?@[c]{}\\"')),
    _with('upgrade', b'Upgrade: h2c\r\nConnection: Upgrade', (b'upgrade', b'h2c'), (b'connection', b'Upgrade')),
    _with('keep-alive', b'Connection: keep-alive', (b'connection', b'keep-alive'), keep_alive=True),
    _with('close', b'Connection: close', (b'connection', b'close'), keep_alive=False),
    _with('close-upper-case', b'Connection: CLOSE', (b'connection', b'CLOSE'), keep_alive=False),
    _with('close-in-list', b'Connection: a ,\tclose', (b'connection', b'a ,\tclose'), keep_alive=False),
    _with('close-and-keep-alive', b'Connection: keep-alive, close', (b'connection', b'keep-alive, close'), keep_alive=False),
    _with('closed-is-not-close', b'Connection: closed', (b'connection', b'closed'), keep_alive=True),
    _with('expect-without-body', b'Expect: 100-continue', (b'expect', b'100-continue'), expects_continue=False),
]  # fmt: skip
