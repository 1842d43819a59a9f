"""Faulty flags, and nothing at all: the whole report of each."""

from __future__ import annotations

import pytest

CASES = [
    (
        'flag-not-a-number',
        '',
        {},
        {'--workers': '1e3'},
        """\
flag --workers: server.workers: '1e3' is not a whole number
1 flag has faults; nothing was started""",
    ),
    (
        'flag-range',
        '',
        {},
        {'--backpressure': '0'},
        """\
flag --backpressure: server.backpressure: '0' is less than the minimum allowed value of 1
1 flag has faults; nothing was started""",
    ),
    (
        'flag-choice',
        '',
        {},
        {'--interface': 'uwsgi', 'APP': 'main:app'},
        """\
flag --interface: apps[0].interface: 'uwsgi' is not one of: asgi, asginl, rsgi, wsgi; did you mean 'wsgi'?
1 flag has faults; nothing was started""",
    ),
    (
        'flag-port',
        '',
        {},
        {'--port': 'http'},
        """\
flag --port: listeners[0].bind: 'http' is not a port number
1 flag has faults; nothing was started""",
    ),
    (
        'flag-host',
        '',
        {},
        {'--host': '::g'},
        """\
flag --host: listeners[0].bind: '::g' is not an IPv6 address
1 flag has faults; nothing was started""",
    ),
    (
        'flag-mode',
        '',
        {},
        {'--uds': 'a.sock', '--uds-permissions': '999'},
        """\
flag --uds-permissions: listeners[0].permissions: 999 is not between 0o000 and 0o777
1 flag has faults; nothing was started""",
    ),
    (
        'flag-set-without-a-value',
        '',
        {},
        {'--set': ('http1.keep_alive',)},
        """\
flag --set: 'http1.keep_alive' is not key=value; write it like --set http1.keep_alive=false
1 flag has faults; nothing was started""",
    ),
    (
        'flag-set-with-a-wrong-type',
        '',
        {},
        {'--set': ('http1.keep_alive="perhaps"', 'listeners[0].backlog=1')},
        """\
flag --set listeners[0].backlog: listeners[0].backlog: 1 is less than the minimum allowed value of 128
flag --set http1.keep_alive: http1.keep_alive: 'perhaps' is not true or false
2 flags have faults; nothing was started""",
    ),
    (
        'flag-set-of-an-unknown-key',
        '',
        {},
        {'--set': ('http1.keepalive=true',)},
        """\
flag --set http1.keepalive: http1.keepalive: unknown key; did you mean 'keep_alive'?
1 flag has faults; nothing was started""",
    ),
    (
        'flag-set-and-flag',
        '',
        {},
        {'--workers': '2', '--set': ('server.workers=3',)},
        """\
flag --set server.workers: server.workers: is set by flag --workers too; keep one of them
1 flag has faults; nothing was started""",
    ),
    (
        'flag-target',
        '',
        {},
        {'APP': 'main.app:', '--interface': 'asgi'},
        """\
argument APP: apps[0].target: 'main.app:': '' is not an attribute; write it like 'module:app'
1 argument has faults; nothing was started""",
    ),
]


@pytest.mark.parametrize(
    ('toml', 'environ', 'flags', 'expected'), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_faulty_source_is_reported_by_its_name(toml, environ, flags, expected, report, tmp_path):
    assert report(toml, environ, flags) == expected.replace('<dir>', str(tmp_path))


def test_nothing_to_serve_says_how_to_name_an_application(report):
    assert report('', needs_app=True) == (
        'apps: no application to serve; name one as the argument APP, or in a table [[apps]] with target = "module:app"\n'
        'the configuration has faults; nothing was started'
    )
