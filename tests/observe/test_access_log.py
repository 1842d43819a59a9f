from __future__ import annotations

import json
import logging
import re

import pytest

from granian.observe import access_log
from granian.observe.logs import access_logger
from granian.protocol.contract import RequestHead


def head(path: str = '/a', query: bytes = b'', version: str = '1.1', fields: list[tuple[bytes, bytes]] | None = None):
    made = RequestHead()
    made.method, made.path, made.query, made.version, made.fields = 'GET', path, query, version, fields or []
    return made


@pytest.fixture
def lines():
    """What the access logger was given, whatever its configuration."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    handler = Keep()
    access_logger.addHandler(handler)
    level = access_logger.level
    access_logger.setLevel(logging.INFO)
    yield written
    access_logger.removeHandler(handler)
    access_logger.setLevel(level)


def logged(lines, layout: str, request: RequestHead, status: int = 200, duration_s: float = 0.0015) -> str:
    access_log.build(layout).request('127.0.0.1', 'http', request, status, duration_s)
    return lines[-1]


def test_text_is_upstreams_default_line(lines):
    line = logged(lines, 'text', head('/a b'))
    assert re.fullmatch(
        r'\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] 127\.0\.0\.1 - "GET /a b HTTP/1\.1" 200 1\.500', line
    )


def test_every_atom_has_its_value(lines):
    layout = '%(addr)s|%(dt_ms).1f|%(status)d|%(path)s|%(query_string)s|%(method)s|%(scheme)s|%(protocol)s|100%%'
    assert logged(lines, layout, head('/p', b'q=1', '1.0')) == '127.0.0.1|1.5|200|/p|q=1|GET|http|HTTP/1|100%'


def test_a_doubled_percent_sign_before_an_atom_stays_text(lines):
    assert logged(lines, '%%(path)s %(path)s', head('/p')) == '%(path)s /p'


def test_header_atoms_ignore_case_and_take_the_last_of_repeats(lines):
    fields = [(b'x-id', b'1'), (b'user-agent', b'curl/8'), (b'x-id', b'2')]
    assert (
        logged(lines, '%(header{X-ID})s %(header{User-Agent})s %(header{X-None})s', head(fields=fields)) == '2 curl/8 -'
    )


@pytest.mark.parametrize(
    ('sent', 'shown'),
    [
        ('/a\n[fake] line', r'/a\n[fake] line'),
        ('/a\r\x1b[31m', r'/a\r\x1b[31m'),
        ('/a" 200', r'/a\" 200'),
        ('/\\n', r'/\\n'),
        ('/\u2028\x85', r'/\u2028\x85'),
        ('/é', '/é'),
    ],
)
def test_what_a_client_sends_cannot_forge_a_line(lines, sent, shown):
    assert logged(lines, '"%(path)s"', head(sent)) == f'"{shown}"'
    raw = sent.encode()
    value = logged(lines, '%(header{X})s %(query_string)s', head(query=raw, fields=[(b'x', raw)]))
    assert value.isprintable()
    assert json.loads(logged(lines, 'json', head(sent, query=raw)))['path'] == sent
    assert lines[-1].isascii()
    assert lines[-1].isprintable()


def test_json_is_one_object_a_line(lines):
    fields = [(b'host', b'shop.example'), (b'user-agent', b'curl/8'), (b'referer', b'http://r/')]
    entry = json.loads(logged(lines, 'json', head('/p', b'q=1', fields=fields), 404, 0.25))
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', entry.pop('time'))
    assert entry == {
        'addr': '127.0.0.1',
        'scheme': 'http',
        'method': 'GET',
        'path': '/p',
        'query': 'q=1',
        'protocol': 'HTTP/1.1',
        'status': 404,
        'duration_ms': 250.0,
        'host': 'shop.example',
        'user_agent': 'curl/8',
        'referer': 'http://r/',
    }


@pytest.mark.parametrize(
    ('request_line', 'shown'),
    [
        (b'GET /long?q=1 HTTP/1.1', 'GET|/long|q=1|HTTP/1.1'),
        (b'GET /two words HTTP/1.0', 'GET|/two words||HTTP/1'),
        (b'\x16\x03\x01\n', r'-|\x16\x03\x01\n||-'),
        (b'GET / HTTP/7.\x1b', r'GET|/||HTTP/7.\x1b'),
        (b'', '-|-||-'),
    ],
)
def test_a_refused_request_is_logged_as_far_as_it_can_be_read(lines, request_line, shown):
    access_log.build('%(method)s|%(path)s|%(query_string)s|%(protocol)s').refused('', 'http', request_line, 400, 'bad')
    assert lines[-1] == shown


def test_json_says_why_a_request_was_refused(lines):
    access_log.build('json').refused('::1', 'http', b'GET /' + b'a' * 9000 + b' HTTP/1.1', 414, 'target too long')
    entry = json.loads(lines[-1])
    assert (entry['status'], entry['reason']) == (414, 'target too long')
    assert len(entry['path']) == access_log.REFUSED_CHARS_MAX


def test_nothing_is_formatted_where_the_logger_is_off(lines):
    access_logger.setLevel(logging.WARNING)
    access_log.build('text').request('', 'http', None, 200, 0.0)
    assert lines == []
