"""Faulty TOML and variables, and several faults at once: the whole report of each."""

from __future__ import annotations

import pytest

CASES = [
    (
        'TOML-no-value',
        """\
[server]
workers =
""",
        {},
        {},
        """\
granian.toml:2:10: not valid TOML: invalid value
1 file has faults; nothing was started""",
    ),
    (
        'TOML-twice',
        """\
[server]
workers = 1
workers = 2
""",
        {},
        {},
        """\
granian.toml:3:12: not valid TOML: cannot overwrite a value
1 file has faults; nothing was started""",
    ),
    (
        'TOML-end',
        '[server\n',
        {},
        {},
        """\
granian.toml:1:8: not valid TOML: expected ']' at the end of a table declaration
1 file has faults; nothing was started""",
    ),
    (
        'TOML-open-text',
        """\
[server]
process_name = "shop
""",
        {},
        {},
        """\
granian.toml:2:21: not valid TOML: illegal character '\\n'
1 file has faults; nothing was started""",
    ),
    (
        'TOML-fault-does-not-make-an-application-missing',
        '[server\n',
        {},
        {'--workers': '0', 'APP': 'main:app'},
        """\
granian.toml:1:8: not valid TOML: expected ']' at the end of a table declaration
flag --workers: server.workers: '0' is less than the minimum allowed value of 1
1 file and 1 flag have faults; nothing was started""",
    ),
    (
        'not-UTF-8',
        b'# one\n# \xff\n',
        {},
        {},
        """\
granian.toml:2:1: is not UTF-8
1 file has faults; nothing was started""",
    ),
    (
        'variable-not-a-number',
        '',
        {'GRANIAN_WORKERS': 'many'},
        {},
        """\
environment GRANIAN_WORKERS: server.workers: 'many' is not a whole number
1 variable has faults; nothing was started""",
    ),
    (
        'variable-choice',
        '',
        {'GRANIAN_LOOP': 'rlop'},
        {},
        """\
environment GRANIAN_LOOP: server.loop: 'rlop' is not one of: auto, asyncio, uvloop, rloop, winloop; did you mean 'rloop'?
1 variable has faults; nothing was started""",
    ),
    (
        'variable-switch',
        '',
        {'GRANIAN_HTTP1_KEEP_ALIVE': 'maybe'},
        {},
        """\
environment GRANIAN_HTTP1_KEEP_ALIVE: http1.keep_alive: 'maybe' is not true or false
1 variable has faults; nothing was started""",
    ),
    (
        'variable-unknown',
        '',
        {'GRANIAN_WORKRES': '2'},
        {},
        """\
environment GRANIAN_WORKRES: unknown variable; did you mean GRANIAN_WORKERS?
1 variable has faults; nothing was started""",
    ),
    (
        'variable-unknown-far',
        '',
        {'GRANIAN_COLOUR': '2'},
        {},
        """\
environment GRANIAN_COLOUR: unknown variable
1 variable has faults; nothing was started""",
    ),
    (
        'variable-application',
        '',
        {'GRANIAN_APP': 'main:app'},
        {},
        """\
environment GRANIAN_APP: does not name the application; give it as the argument APP, or set GRANIAN_APPS__0__TARGET
1 variable has faults; nothing was started""",
    ),
    (
        'variable-nested-unknown',
        '',
        {'GRANIAN_HTTP1__KEEPALIVE': 'no'},
        {},
        """\
environment GRANIAN_HTTP1__KEEPALIVE: http1.keepalive: unknown key; did you mean 'keep_alive'?
1 variable has faults; nothing was started""",
    ),
    (
        'variable-nested-unknown-section',
        '',
        {'GRANIAN_HTTP3__ENGINE': 'fast'},
        {},
        """\
environment GRANIAN_HTTP3__ENGINE: http3: unknown key; did you mean 'http2'?
1 variable has faults; nothing was started""",
    ),
    (
        'variable-nested-in-a-list',
        '',
        {'GRANIAN_LISTENERS__0__BIND': '80'},
        {},
        """\
environment GRANIAN_LISTENERS__0__BIND: listeners[0].bind: '80' is not a host and a port; write it like '127.0.0.1:80'
1 variable has faults; nothing was started""",
    ),
    (
        'variable-gap-in-a-list',
        '',
        {'GRANIAN_LISTENERS__2__BIND': '*:80'},
        {},
        """\
environment GRANIAN_LISTENERS__2__BIND: listeners[2]: there is no such item: the list has 0; the next is listeners[0]
1 variable has faults; nothing was started""",
    ),
    (
        'variable-item-of-what-is-no-list',
        '[server]\nworkers = 2\n',
        {'GRANIAN_SERVER__0': '{}', 'GRANIAN_0__1': 'x'},
        {},
        (
            'environment GRANIAN_0__1: unknown variable\n'
            'environment GRANIAN_SERVER__0: server: is not a list: it has no items\n'
            '2 variables have faults; nothing was started'
        ),
    ),
    (
        'variable-item-and-key-of-one-section',
        '',
        {'GRANIAN_SERVER__0': '{}', 'GRANIAN_SERVER__WORKERS': '2'},
        {},
        'environment GRANIAN_SERVER__0: server: is not a list: it has no items\n1 variable has faults; nothing was started',
    ),
    (
        'variable-bad-JSON',
        '',
        {'GRANIAN_HTTP1': '{keep_alive: false}'},
        {},
        """\
environment GRANIAN_HTTP1: http1: a section or a list is given as JSON, and this is not: column 2: Expecting property name enclosed in double quotes
1 variable has faults; nothing was started""",
    ),
    (
        'variable-fault-in-JSON',
        '',
        {'GRANIAN_LISTENERS': '[{"bind": "*:80"}, {"bind": "*:81", "backlog": "1024"}]'},
        {},
        """\
environment GRANIAN_LISTENERS: listeners[1].backlog: '1024' is not a whole number; write it without quotes
1 variable has faults; nothing was started""",
    ),
    (
        'variable-JSON-null',
        '',
        {'GRANIAN_LIMITS': '{"fields": null}'},
        {},
        """\
environment GRANIAN_LIMITS: limits.fields: null is not a whole number
1 variable has faults; nothing was started""",
    ),
    (
        'variable-port',
        '',
        {'GRANIAN_PORT': '99999'},
        {},
        """\
environment GRANIAN_PORT: listeners[0].bind: port 99999 is over 65535
1 variable has faults; nothing was started""",
    ),
    (
        'variable-host',
        '',
        {'GRANIAN_HOST': 'my host'},
        {},
        """\
environment GRANIAN_HOST: listeners[0].bind: 'my host' is not a host name or an address
1 variable has faults; nothing was started""",
    ),
    (
        'variable-two-names-of-one-key',
        '',
        {'GRANIAN_WORKERS': '2', 'GRANIAN_SERVER__WORKERS': '3'},
        {},
        """\
environment GRANIAN_SERVER__WORKERS: server.workers: is set by environment GRANIAN_WORKERS too; keep one of them
1 variable has faults; nothing was started""",
    ),
    (
        'variable-two-names-of-one-address',
        '',
        {'GRANIAN_PORT': '80', 'GRANIAN_LISTENERS__0__BIND': '*:80'},
        {},
        """\
environment GRANIAN_LISTENERS__0__BIND: listeners[0].bind: is set by environment GRANIAN_PORT too; keep one of them
1 variable has faults; nothing was started""",
    ),
    (
        'variable-milliseconds',
        '',
        {'GRANIAN_HTTP1_HEADER_READ_TIMEOUT': '70000'},
        {},
        """\
environment GRANIAN_HTTP1_HEADER_READ_TIMEOUT: http1.header_read_timeout: '70000ms' is greater than the maximum allowed value of 1m
1 variable has faults; nothing was started""",
    ),
    (
        'variable-paths',
        '',
        {'GRANIAN_ENV_FILES': 'a.env:b.env'},
        {},
        """\
environment GRANIAN_ENV_FILES: server.env_files[0]: 'a.env': no such file (looked for <dir>/a.env)
environment GRANIAN_ENV_FILES: server.env_files[1]: 'b.env': no such file (looked for <dir>/b.env)
1 variable has faults; nothing was started""",
    ),
    (
        'variable-files-that-are-not-there',
        '',
        {'GRANIAN_CONFIG': 'x.toml:y.toml'},
        {},
        """\
environment GRANIAN_CONFIG: 'x.toml': no such file or directory
environment GRANIAN_CONFIG: 'y.toml': no such file or directory
1 variable has faults; nothing was started""",
    ),
    (
        'variable-secrets-that-are-not-there',
        '',
        {'GRANIAN_SECRETS_DIR': 'secrets'},
        {},
        """\
environment GRANIAN_SECRETS_DIR: '<dir>/secrets' is not a directory
1 variable has faults; nothing was started""",
    ),
    (
        'all-at-once',
        """\
[server]
workers = 0

[http1]
engin = "h11"
""",
        {'GRANIAN_BACKLOG': '1', 'GRANIAN_X': '1'},
        {'--loop': 'x', '--port': 'y'},
        """\
granian.toml:2:11: server.workers: 0 is less than the minimum allowed value of 1
granian.toml:5:1: http1.engin: unknown key; did you mean 'engine'?
environment GRANIAN_X: unknown variable
environment GRANIAN_BACKLOG: listeners[0].backlog: '1' is less than the minimum allowed value of 128
flag --port: listeners[0].bind: 'y' is not a port number
flag --loop: server.loop: 'x' is not one of: auto, asyncio, uvloop, rloop, winloop
1 file, 2 variables and 2 flags have faults; nothing was started""",
    ),
]


@pytest.mark.parametrize(
    ('toml', 'environ', 'flags', 'expected'), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_faulty_source_is_reported_by_its_name(toml, environ, flags, expected, report, tmp_path):
    assert report(toml, environ, flags) == expected.replace('<dir>', str(tmp_path))
