"""Request bodies: how their length is told, and what breaks them (RFC 9112 6, 7)."""

from __future__ import annotations

from typing import Any

from granian.protocol.contract import CHUNKED
from tests.conformance.tables.heads import Refused, Served, head
from tests.helpers.engines import LIMITS


def post(*fields: bytes, body: bytes = b'', version: bytes = b'HTTP/1.1') -> bytes:
    return head(b'POST /p %b' % version, *fields) + body


def chunked(body: bytes) -> bytes:
    return post(b'Transfer-Encoding: chunked', body=body)


def _length(name: str, value: bytes, status: int = 400) -> Refused:
    return f'length-{name}', status, post(b'Content-Length: %b' % value, body=b'abc')


def _coding(name: str, value: bytes, status: int = 400) -> Refused:
    return f'coding-{name}', status, post(b'Transfer-Encoding: %b' % value, body=b'3\r\nabc\r\n0\r\n\r\n')


def _size(name: str, line: bytes, status: int = 400) -> Refused:
    return f'size-{name}', status, chunked(b'%b\r\nhello\r\n0\r\n\r\n' % line)


def _trailer(name: str, block: bytes, status: int = 400) -> Refused:
    return f'trailer-{name}', status, chunked(b'0\r\n%b\r\n\r\n' % block)


LENGTHS: list[Refused] = [
    _length('plus', b'+3'),
    _length('minus', b'-3'),
    _length('minus-zero', b'-0'),
    _length('empty', b''),
    _length('white-space', b' \t '),
    _length('list-equal', b'3, 3'),
    _length('list-equal-tight', b'3,3'),
    _length('list-different', b'3, 4'),
    _length('list-trailing-comma', b'3,'),
    _length('list-leading-comma', b',3'),
    _length('hex', b'0x3'),
    _length('hex-letter', b'a'),
    _length('octal', b'0o3'),
    _length('underscore', b'0_3'),
    _length('float', b'3.0'),
    _length('exponent', b'3e0'),
    _length('two-numbers', b'3 3'),
    _length('parameter', b'3;a'),
    _length('quoted', b'"3"'),
    _length('word', b'three'),
    _length('superscript', b'\xb3'),
    _length('wide-digit', b'\xef\xbc\x93'),
    _length('vertical-tab', b'3\x0b'),
    _length('nul', b'3\x00'),
    _length('twenty-digits', b'0' * 19 + b'3'),
    _length('over-64-bits', b'18446744073709551619'),
    _length('thousands-of-digits', b'3' * 1000),
    _length('over-limit', b'%d' % (LIMITS.body_bytes_max + 1), 413),
    _length('huge', b'9' * 19, 413),
    ('length-twice-equal', 400, post(b'Content-Length: 3', b'Content-Length: 3', body=b'abc')),
    ('length-twice-different', 400, post(b'Content-Length: 3', b'Content-Length: 0', body=b'abc')),
    ('length-twice-other-case', 400, post(b'Content-Length: 3', b'content-length: 3', body=b'abc')),
    ('length-twice-second-empty', 400, post(b'Content-Length: 3', b'Content-Length:', body=b'abc')),
    ('length-twice-http10', 400, post(b'Content-Length: 3', b'Content-Length: 3', body=b'abc', version=b'HTTP/1.0')),
    ('length-space-before-colon', 400, post(b'Content-Length : 3', body=b'abc')),
    ('length-folded', 400, post(b'Content-Length:\r\n 3', body=b'abc')),
    ('length-bad-on-get', 400, head(b'GET / HTTP/1.1', b'Content-Length: x')),
]

CODINGS: list[Refused] = [
    _coding('empty', b''),
    _coding('comma', b','),
    _coding('gzip', b'gzip'),
    _coding('identity', b'identity'),
    _coding('chunked-gzip', b'chunked, gzip'),
    _coding('chunked-identity', b'chunked, identity'),
    _coding('chunked-chunked', b'chunked, chunked'),
    _coding('chunked-gzip-chunked', b'chunked, gzip, chunked'),
    _coding('trailing-comma', b'chunked,'),
    _coding('xchunked', b'xchunked'),
    _coding('chunkedx', b'chunkedx'),
    _coding('chunk', b'chunk'),
    _coding('parameter', b'chunked;a=b'),
    _coding('quoted', b'"chunked"'),
    _coding('two-words', b'chunked chunked'),
    _coding('long-s', 'chun\u212aed'.encode()),
    _coding('vertical-tab', b'\x0bchunked'),
    _coding('trailing-vertical-tab', b'chunked\x0b'),
    _coding('form-feed', b'\x0cchunked'),
    _coding('nul', b'chunked\x00'),
    _coding('non-breaking-space', b'\xa0chunked'),
    _coding('bare-cr', b'chunked\r'),
    _coding('bare-lf', b'\nchunked'),
    _coding('folded', b'\r\n chunked'),
    _coding('folded-more', b'chunked\r\n , gzip'),
    _coding('gzip-chunked', b'gzip, chunked', 501),
    _coding('gzip-chunked-upper', b'GZIP, CHUNKED', 501),
    _coding('identity-chunked', b'identity, chunked', 501),
    _coding('leading-comma', b', chunked', 501),
    _coding('unknown-chunked', b'cow, chunked', 501),
    ('coding-twice', 400, chunked(b'').replace(b'\r\n\r\n', b'\r\nTransfer-Encoding: chunked\r\n\r\n') + b'0\r\n\r\n'),
    (
        'coding-twice-gzip-first',
        400,
        post(b'Transfer-Encoding: gzip', b'Transfer-Encoding: chunked', body=b'0\r\n\r\n'),
    ),
    ('coding-twice-gzip-last', 400, post(b'Transfer-Encoding: chunked', b'Transfer-Encoding: gzip', body=b'0\r\n\r\n')),
    ('coding-twice-other-case', 400, post(b'Transfer-Encoding: chunked', b'TRANSFER-ENCODING: x', body=b'0\r\n\r\n')),
    ('coding-twice-second-empty', 400, post(b'Transfer-Encoding: chunked', b'Transfer-Encoding:', body=b'0\r\n\r\n')),
    ('coding-and-length', 400, post(b'Transfer-Encoding: chunked', b'Content-Length: 5', body=b'0\r\n\r\n')),
    ('length-and-coding', 400, post(b'Content-Length: 5', b'Transfer-Encoding: chunked', body=b'0\r\n\r\n')),
    ('coding-and-length-zero', 400, post(b'Transfer-Encoding: chunked', b'Content-Length: 0', body=b'0\r\n\r\n')),
    ('coding-and-bad-length', 400, post(b'Transfer-Encoding: chunked', b'Content-Length: x', body=b'0\r\n\r\n')),
    ('coding-http10', 400, post(b'Transfer-Encoding: chunked', body=b'0\r\n\r\n', version=b'HTTP/1.0')),
    ('coding-and-length-http10', 400, post(b'Transfer-Encoding: chunked', b'Content-Length: 5', version=b'HTTP/1.0')),
    ('coding-space-before-colon', 400, post(b'Transfer-Encoding : chunked', body=b'0\r\n\r\n')),
    ('coding-tab-before-colon', 400, post(b'Transfer-Encoding\t: chunked', body=b'0\r\n\r\n')),
    ('coding-leading-space', 400, post(b' Transfer-Encoding: chunked', body=b'0\r\n\r\n')),
    ('coding-bare-lf-before', 400, post(b'X: x\nTransfer-Encoding: chunked', body=b'0\r\n\r\n')),
    ('coding-bare-cr-before', 400, post(b'X: x\rTransfer-Encoding: chunked', body=b'0\r\n\r\n')),
    ('coding-nul-in-name', 400, post(b'Transfer\x00-Encoding: chunked', body=b'0\r\n\r\n')),
]

SIZES: list[Refused] = [
    _size('empty', b''),
    _size('leading-space', b' 5'),
    _size('leading-tab', b'\t5'),
    _size('trailing-space', b'5 '),
    _size('trailing-tab', b'5\t'),
    _size('hex-prefix', b'0x5'),
    _size('hex-prefix-upper', b'0X5'),
    _size('plus', b'+5'),
    _size('minus', b'-5'),
    _size('underscore', b'0_5'),
    _size('not-hex', b'5g'),
    _size('word', b'five'),
    _size('two-sizes', b'5 5'),
    _size('float', b'5.0'),
    _size('comma', b'5,5'),
    _size('seventeen-digits', b'0' * 16 + b'5'),
    _size('over-limit', b'%x' % (LIMITS.body_bytes_max + 1), 413),
    _size('sixteen-digits', b'f' * 16, 413),
    _size('sign-bit', b'8000000000000000', 413),
    _size('wrapping', b'10000000000000005'),
    _size('semicolon-only', b'5;'),
    _size('two-semicolons', b'5;;a'),
    _size('no-size', b';a'),
    _size('extension-no-name', b'5;=b'),
    _size('extension-no-value', b'5;a='),
    _size('extension-open-quote', b'5;a="b'),
    _size('extension-text-after-quote', b'5;a="b"c'),
    _size('extension-two-words', b'5;a b'),
    _size('extension-without-semicolon', b'5 a=b'),
    _size('extension-bad-name', b'5;(a)'),
    _size('extension-trailing-space', b'5;a '),
    _size('extension-nul', b'5;a\x00'),
    _size('extension-vertical-tab', b'5;a\x0bb'),
    _size('extension-non-ascii', b'5;\xff'),
    _size('extension-bare-cr', b'5;a\rb'),
    _size('extension-bare-lf', b'5;a\nb'),
    _size('extension-quoted-lf', b'5;a="\n"'),
    _size('line-too-long', b'5;' + b'a' * 255),
    _size('bare-cr', b'5\r'),
    _size('bare-cr-before', b'\r5'),
    _size('nul', b'5\x00'),
    _size('vertical-tab', b'5\x0b'),
    _size('wide-digit', b'\xef\xbc\x95'),
]

CHUNKS: list[Refused] = [
    ('chunk-bare-lf-after-size', 400, chunked(b'5\nhello\r\n0\r\n\r\n')),
    ('chunk-bare-cr-after-size', 400, chunked(b'5\rhello\r\n0\r\n\r\n')),
    ('chunk-bare-lf-after-data', 400, chunked(b'5\r\nhello\n0\r\n\r\n')),
    ('chunk-bare-cr-after-data', 400, chunked(b'5\r\nhello\r0\r\n\r\n')),
    ('chunk-longer', 400, chunked(b'5\r\nhelloo\r\n0\r\n\r\n')),
    ('chunk-shorter', 400, chunked(b'5\r\nhell\r\n0\r\n\r\n')),
    ('chunk-without-end', 400, chunked(b'5\r\nhello0\r\n\r\n')),
    ('chunk-two-ends', 400, chunked(b'5\r\nhello\r\n\r\n0\r\n\r\n')),
    ('chunk-first-line-empty', 400, chunked(b'\r\n5\r\nhello\r\n0\r\n\r\n')),
    ('chunk-second-bad', 400, chunked(b'5\r\nhello\r\nxx\r\n0\r\n\r\n')),
    ('chunk-last-bare-lf', 400, chunked(b'0\n\n')),
    ('chunk-last-then-bare-lf', 400, chunked(b'0\r\n\n')),
    ('chunk-body-is-no-chunk', 400, chunked(b'hello world\r\n')),
    ('chunks-over-limit', 413, chunked(b'1\r\na\r\n%x\r\n' % LIMITS.body_bytes_max)),
]

TRAILERS: list[Refused] = [
    _trailer('content-length', b'Content-Length: 0'),
    _trailer('transfer-encoding', b'Transfer-Encoding: chunked'),
    _trailer('host', b'Host: b'),
    _trailer('connection', b'Connection: close'),
    _trailer('expect', b'Expect: 100-continue'),
    _trailer('content-length-upper', b'CONTENT-LENGTH: 0'),
    _trailer('content-length-bad', b'Content-Length: x'),
    _trailer('second-is-host', b'X: a\r\nHost: b'),
    _trailer('no-colon', b'X'),
    _trailer('no-name', b': x'),
    _trailer('space-before-colon', b'X : a'),
    _trailer('folded', b'X: a\r\n b'),
    _trailer('folded-first', b' X: a'),
    _trailer('space-line', b' '),
    _trailer('bare-lf', b'X: a\nY: b'),
    _trailer('bare-cr', b'X: a\rY: b'),
    _trailer('nul', b'X: a\x00'),
    _trailer('control', b'X: a\x01'),
    _trailer('non-ascii-name', b'\xc3\xa4: a'),
    _trailer('request-line', b'GET / HTTP/1.1'),
    _trailer('too-many', b'\r\n'.join([b'X: a'] * (LIMITS.fields_max + 1)), 431),
    _trailer('too-large', b'X: ' + b'a' * (LIMITS.head_bytes_max - 6), 431),
    ('trailer-ends-in-bare-lf', 400, chunked(b'0\r\nX: a\n\n')),
]

REFUSED_BODIES: list[Refused] = [*LENGTHS, *CODINGS, *SIZES, *CHUNKS, *TRAILERS]


def _sized(name: str, value: bytes, body: bytes, *fields: bytes) -> Served:
    return f'length-{name}', post(b'Content-Length:%b' % value, *fields, body=body), {
        'body': body, 'content_length': len(body), 'trailers': [],
    }  # fmt: skip


def _chunks(name: str, raw: bytes, body: bytes, **attributes: Any) -> Served:
    return f'chunks-{name}', chunked(raw), {'body': body, 'content_length': CHUNKED, **attributes}


def _coded(name: str, value: bytes) -> Served:
    raw = post(b'Transfer-Encoding:%b' % value, body=b'3\r\nabc\r\n0\r\n\r\n')
    return f'coding-{name}', raw, {'body': b'abc', 'content_length': CHUNKED}


SERVED_BODIES: list[Served] = [
    _sized('zero', b' 0', b''),
    _sized('one', b' 1', b'x'),
    _sized('five', b' 5', b'hello'),
    _sized('no-space', b'5', b'hello'),
    _sized('white-space', b' \t5\t ', b'hello'),
    _sized('leading-zeros', b' 0000000000000000005', b'hello'),
    _sized('line-ends', b' 8', b'\r\n\r\n\r\n\r\n'),
    _sized('looks-like-request', b' 35', b'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'),
    _sized('binary', b' 256', bytes(range(256))),
    _sized('at-limit', b' %d' % LIMITS.body_bytes_max, b'x' * LIMITS.body_bytes_max),
    ('length-on-get', head(b'GET / HTTP/1.1', b'Content-Length: 3') + b'abc', {'body': b'abc', 'method': 'GET'}),
    ('length-on-head', head(b'HEAD / HTTP/1.1', b'Content-Length: 3') + b'abc', {'body': b'abc', 'method': 'HEAD'}),
    ('length-http10', post(b'Content-Length: 3', body=b'abc', version=b'HTTP/1.0'), {'body': b'abc'}),
    ('no-length-on-post', post(), {'body': b'', 'content_length': 0}),
    ('expect', post(b'Content-Length: 3', b'Expect: 100-continue', body=b'abc'), {'expects_continue': True, 'body': b'abc'}),
    ('expect-upper', post(b'Content-Length: 3', b'Expect: 100-Continue', body=b'abc'), {'expects_continue': True}),
    ('expect-twice', post(b'Content-Length: 3', b'Expect: 100-continue', b'Expect: 100-continue', body=b'abc'),
     {'expects_continue': True}),
    ('expect-http10', post(b'Content-Length: 3', b'Expect: 100-continue', body=b'abc', version=b'HTTP/1.0'),
     {'expects_continue': False}),
    _coded('plain', b' chunked'),
    _coded('no-space', b'chunked'),
    _coded('upper-case', b' CHUNKED'),
    _coded('mixed-case', b' Chunked'),
    _coded('white-space', b'\t chunked \t'),
    _chunks('empty', b'0\r\n\r\n', b''),
    _chunks('one', b'5\r\nhello\r\n0\r\n\r\n', b'hello'),
    _chunks('two', b'3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n', b'hello'),
    _chunks('bytes', b'1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n', b'abc'),
    _chunks('hex-lower', b'a\r\n0123456789\r\n0\r\n\r\n', b'0123456789'),
    _chunks('hex-upper', b'A\r\n0123456789\r\n0\r\n\r\n', b'0123456789'),
    _chunks('leading-zeros', b'0000000000000005\r\nhello\r\n0\r\n\r\n', b'hello'),
    _chunks('last-many-zeros', b'5\r\nhello\r\n0000000000000000\r\n\r\n', b'hello'),
    _chunks('line-ends', b'4\r\n\r\n\r\n\r\n0\r\n\r\n', b'\r\n\r\n'),
    _chunks('looks-like-end', b'5\r\n0\r\n\r\n\r\n0\r\n\r\n', b'0\r\n\r\n'),
    _chunks('at-limit', b'%x\r\n%b\r\n0\r\n\r\n' % (LIMITS.body_bytes_max, b'x' * LIMITS.body_bytes_max),
            b'x' * LIMITS.body_bytes_max),
    *[
        _chunks(f'extension-{text!r}', b'5%b\r\nhello\r\n0%b\r\n\r\n' % (text, text), b'hello')
        for text in (
            b';a', b';a=b', b'; a=b', b' ;a=b', b'\t; a = b', b';a;b', b';a=b;c=d', b';a="b"', b';a="b c;d"', b';a="\\""', b';a=""',
            b';a="\xff"',
        )
    ],
    _chunks('extension-longest', b'5;%b\r\nhello\r\n0\r\n\r\n' % (b'a' * 254), b'hello'),
    _chunks('trailer', b'5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n', b'hello', trailers=[(b'x-sum', b'1')]),
    _chunks('trailers', b'0\r\nA: 1\r\nb:2\r\nA:  3 \r\n\r\n', b'', trailers=[(b'a', b'1'), (b'b', b'2'), (b'a', b'3')]),
    _chunks('trailer-empty', b'0\r\nA:\r\n\r\n', b'', trailers=[(b'a', b'')]),
    _chunks('trailer-obs-text', b'0\r\nA: \xff\r\n\r\n', b'', trailers=[(b'a', b'\xff')]),
    _chunks('trailer-cookie', b'0\r\nCookie: a=b\r\n\r\n', b'', trailers=[(b'cookie', b'a=b')]),
    _chunks('trailers-at-limit', b'0\r\n%b\r\n' % (b'X: a\r\n' * LIMITS.fields_max), b'',
            trailers=[(b'x', b'a')] * LIMITS.fields_max),
    _chunks('trailer-bytes-at-limit', b'0\r\nX: %b\r\n\r\n' % (b'a' * (LIMITS.head_bytes_max - 7)), b'',
            trailers=[(b'x', b'a' * (LIMITS.head_bytes_max - 7))]),
]  # fmt: skip
