"""Heads of HTTP/2 requests that are malformed (RFC 9113 8)."""

from __future__ import annotations

from tests.helpers.http2 import CONNECT, GET

HOST = (b'host', b'a.example')


def swap(name, value, fields=GET):
    return [(n, value if n == name else v) for n, v in fields]


def without(*names, fields=GET):
    return [(n, v) for n, v in fields if n not in names]


MALFORMED = {
    'upper case in name (8.2.1)': [*GET, (b'X-A', b'1')],
    'empty name (8.2.1)': [*GET, (b'', b'1')],
    'space in name (8.2.1)': [*GET, (b'x a', b'1')],
    'colon in name (8.2.1)': [*GET, (b'x:a', b'1')],
    'control in name (8.2.1)': [*GET, (b'x\x01', b'1')],
    'DEL in name (8.2.1)': [*GET, (b'x\x7f', b'1')],
    'obs-text in name (8.2.1)': [*GET, (b'x\xff', b'1')],
    'NUL in value (8.2.1)': [*GET, (b'x', b'a\0b')],
    'LF in value (8.2.1)': [*GET, (b'x', b'a\nb')],
    'LF at the end of a value (8.2.1)': [*GET, (b'x', b'a\n')],
    'CR in value (8.2.1)': [*GET, (b'x', b'a\rb')],
    'other control in value': [*GET, (b'x', b'a\x01b')],
    'space before value (8.2.1)': [*GET, (b'x', b' a')],
    'space after value (8.2.1)': [*GET, (b'x', b'a ')],
    'tab before value (8.2.1)': [*GET, (b'x', b'\ta')],
    'tab after value (8.2.1)': [*GET, (b'x', b'a\t'), (b'y', b'')],
    'space alone (8.2.1)': [*GET, (b'x', b' ')],
    'connection (8.2.2)': [*GET, (b'connection', b'close')],
    'keep-alive (8.2.2)': [*GET, (b'keep-alive', b'1')],
    'proxy-connection (8.2.2)': [*GET, (b'proxy-connection', b'keep-alive')],
    'transfer-encoding (8.2.2)': [*GET, (b'transfer-encoding', b'chunked')],
    'upgrade (8.2.2)': [*GET, (b'upgrade', b'websocket')],
    'te of a coding (8.2.2)': [*GET, (b'te', b'gzip')],
    'te of trailers and more (8.2.2)': [*GET, (b'te', b'trailers, deflate')],
    'second te of a coding (8.2.2)': [*GET, (b'te', b'trailers'), (b'te', b'gzip')],
    'pseudo-field after a field (8.3)': [*GET[:3], (b'x', b'1'), GET[3]],
    'repeated pseudo-field (8.3)': [*GET, (b':path', b'/p?q')],
    'unknown pseudo-field (8.3)': [*GET, (b':test', b'1')],
    'pseudo-field of responses (8.3)': [*GET, (b':status', b'200')],
    'pseudo-field in upper case (8.3)': [*GET[:3], (b':Path', b'/')],
    'no :method (8.3.1)': without(b':method'),
    'no :scheme (8.3.1)': without(b':scheme'),
    'no :path (8.3.1)': without(b':path'),
    'no fields at all': [],
    'no pseudo-fields': [HOST],
    'no authority in any form': without(b':authority'),
    'empty :path (8.3.1)': swap(b':path', b''),
    'relative :path (8.3.1)': swap(b':path', b'p'),
    'absolute form in :path (8.3.1)': swap(b':path', b'http://a.example/'),
    'authority form in :path (8.3.1)': swap(b':path', b'a.example:80'),
    '* but not OPTIONS (8.3.1)': swap(b':path', b'*'),
    'space in :path': swap(b':path', b'/a b'),
    'LF in :path': swap(b':path', b'/a\r\nx: 1'),
    'fragment in :path': swap(b':path', b'/a#b'),
    'obs-text in :path': swap(b':path', b'/\xff'),
    'empty :method': swap(b':method', b''),
    'space in :method': swap(b':method', b'GET / HTTP/1.1\r\nx: '),
    'unknown :scheme': swap(b':scheme', b'ftp'),
    'userinfo in :authority (8.3.1)': swap(b':authority', b'u@a.example'),
    'empty :authority': swap(b':authority', b''),
    'LF in :authority': swap(b':authority', b'a\n'),
    'Host that differs (8.3.1)': [*GET, (b'host', b'b.example')],
    'two Hosts': [*GET, HOST, HOST],
    'bad Host alone': [*without(b':authority'), (b'host', b'a b')],
    'content-length without a body (8.1.1)': [*GET, (b'content-length', b'1')],
    'bad content-length': [*GET, (b'content-length', b'+0')],
    'content-lengths that differ': [*GET, (b'content-length', b'0'), (b'content-length', b'2')],
    'list of content-lengths': [*GET, (b'content-length', b'0, 0')],
    'repeated content-length': [*GET, (b'content-length', b'0'), (b'content-length', b'0')],
    ':protocol without CONNECT (RFC 8441 4)': [*GET, (b':protocol', b'websocket')],
    'bad :protocol': swap(b':protocol', b'web socket', CONNECT),
    'empty :protocol': swap(b':protocol', b'', CONNECT),
    'extended CONNECT without :path (RFC 8441 4)': without(b':path', fields=CONNECT),
    'extended CONNECT without :scheme (RFC 8441 4)': without(b':scheme', fields=CONNECT),
    'extended CONNECT without :authority (RFC 8441 4)': without(b':authority', fields=CONNECT),
    'CONNECT with :path (8.5)': swap(b':method', b'CONNECT', without(b':scheme')),
    'CONNECT with :scheme (8.5)': swap(b':method', b'CONNECT', without(b':path')),
    'CONNECT with :scheme and :path (8.5)': swap(b':method', b'CONNECT'),
    'CONNECT without :authority (8.5)': [(b':method', b'CONNECT')],
}
