"""Faulty files, key by key: the whole report of each."""

from __future__ import annotations

import pytest

CASES = [
    (
        'choice',
        """\
[[listeners]]
bind = "0.0.0.0:80"
http = "h3"
""",
        "granian.toml:3:8: listeners[0].http: 'h3' is not one of: auto, 1, 2",
    ),
    (
        'near-choice',
        """\
[server]
loop = "uvlop"
""",
        "granian.toml:2:8: server.loop: 'uvlop' is not one of: auto, asyncio, uvloop, rloop, winloop; did you mean 'uvloop'?",
    ),
    (
        'unknown-key',
        """\
[[apps]]
target = "main:app"
interface = "asgi"
interfce = "asgi"
""",
        "granian.toml:4:1: apps[0].interfce: unknown key; did you mean 'interface'?",
    ),
    (
        'unknown-key-hides-the-rule-it-would-have-met',
        """\
[[apps]]
target = "main:app"
interfce = "asgi"
""",
        "granian.toml:3:1: apps[0].interfce: unknown key; did you mean 'interface'?",
    ),
    (
        'unknown-section',
        """\
[htpp1]
keep_alive = true
""",
        "granian.toml:1:2: htpp1: unknown key; did you mean 'http1'?",
    ),
    (
        'unknown-key-far-from-all',
        """\
[server]
zzz = 1
""",
        'granian.toml:2:1: server.zzz: unknown key',
    ),
    (
        'text-for-a-number',
        """\
[server]
workers = "many"
""",
        "granian.toml:2:11: server.workers: 'many' is not a whole number",
    ),
    (
        'quoted-number',
        """\
[server]
workers = "2"
""",
        "granian.toml:2:11: server.workers: '2' is not a whole number; write it without quotes",
    ),
    (
        'number-with-a-fraction',
        """\
[server]
workers = 1.5
""",
        'granian.toml:2:11: server.workers: 1.5 is not a whole number',
    ),
    (
        'true-for-a-number',
        """\
[server]
workers = true
""",
        'granian.toml:2:11: server.workers: true is not a whole number',
    ),
    (
        'list-for-a-number',
        """\
[server]
workers = [1, 2]
""",
        'granian.toml:2:11: server.workers: a list is not a whole number',
    ),
    (
        'below-the-least',
        """\
[server]
workers = 0
""",
        'granian.toml:2:11: server.workers: 0 is less than the minimum allowed value of 1',
    ),
    (
        'date',
        """\
[server]
process_name = 2024-01-01
""",
        'granian.toml:2:16: server.process_name: 2024-01-01 is not text; write it in quotes',
    ),
    (
        'backlog-below-the-least',
        """\
[[listeners]]

[[listeners]]
bind = "fd:3"
backlog = 64
""",
        'granian.toml:5:11: listeners[1].backlog: 64 is less than the minimum allowed value of 128',
    ),
    (
        'quoted-true',
        """\
[http1]
keep_alive = "false"
""",
        "granian.toml:2:14: http1.keep_alive: 'false' is not true or false; write it without quotes",
    ),
    (
        'number-for-true',
        """\
[http1]
keep_alive = 1
""",
        'granian.toml:2:14: http1.keep_alive: 1 is not true or false',
    ),
    (
        'bad-duration',
        """\
[timeouts]
write = "soon"
""",
        "granian.toml:2:9: timeouts.write: 'soon' is not a valid duration; write it like 30s, 1m30s or 250ms",
    ),
    (
        'duration-in-the-wrong-order',
        """\
[timeouts]
write = "5s1m"
""",
        "granian.toml:2:9: timeouts.write: '5s1m' is not a valid duration; write it like 30s, 1m30s or 250ms",
    ),
    (
        'zero-duration',
        """\
[timeouts]
write = 0
""",
        'granian.toml:2:9: timeouts.write: 0 is not more than 0s',
    ),
    (
        'negative-duration',
        """\
[server]
graceful_timeout = -1
""",
        'granian.toml:2:20: server.graceful_timeout: -1 is not a valid duration',
    ),
    (
        'infinite-duration',
        """\
[server]
graceful_timeout = inf
""",
        'granian.toml:2:20: server.graceful_timeout: inf is not a valid duration',
    ),
    (
        'duration-below-the-least',
        """\
[server]
workers_kill_timeout = "500ms"
""",
        "granian.toml:2:24: server.workers_kill_timeout: '500ms' is less than the minimum allowed value of 1s",
    ),
    (
        'duration-above-the-most',
        """\
[http1]
header_read_timeout = "2m"
""",
        "granian.toml:2:23: http1.header_read_timeout: '2m' is greater than the maximum allowed value of 1m",
    ),
    (
        'bad-size',
        """\
[limits]
body = "100 megs"
""",
        "granian.toml:2:8: limits.body: '100 megs' is not a size; write bytes, or text like 64KiB or 16MB",
    ),
    (
        'size-below-the-least',
        """\
[limits]
head = "1KB"
""",
        "granian.toml:2:8: limits.head: '1KB' is less than the minimum allowed value of 1KiB",
    ),
    (
        'negative-size',
        """\
[limits]
body = -1
""",
        'granian.toml:2:8: limits.body: -1 is not a size; write bytes, or text like 64KiB or 16MB',
    ),
    (
        'bad-mode',
        """\
[[listeners]]
bind = "unix:a.sock"
permissions = "rw"
""",
        "granian.toml:3:15: listeners[0].permissions: 'rw' is not a file mode; write it in octal, like 0o660",
    ),
    (
        'decimal-mode',
        """\
[[listeners]]
bind = "unix:a.sock"
permissions = 660
""",
        'granian.toml:3:15: listeners[0].permissions: 660 is not between 0o000 and 0o777; octal needs its prefix: 0o660',
    ),
    (
        'permissions-without-a-socket',
        """\
[[listeners]]
permissions = 0o600
""",
        'granian.toml:2:15: listeners[0].permissions: only a unix: listener has permissions, not 127.0.0.1:8000',
    ),
    (
        'no-port',
        """\
[[listeners]]
bind = "localhost"
""",
        "granian.toml:2:8: listeners[0].bind: 'localhost' is not a host and a port; write it like 'localhost:8000'",
    ),
    (
        'no-host',
        """\
[[listeners]]
bind = ":8000"
""",
        "granian.toml:2:8: listeners[0].bind: ':8000' has no host; write '*:8000' to listen on every address",
    ),
    (
        'port-too-high',
        """\
[[listeners]]
bind = "127.0.0.1:65536"
""",
        'granian.toml:2:8: listeners[0].bind: port 65536 is over 65535',
    ),
    (
        'bare-IPv6',
        """\
[[listeners]]
bind = "::1:8000"
""",
        "granian.toml:2:8: listeners[0].bind: '::1:8000': an IPv6 address stands in brackets, like [::1]:8000",
    ),
]


@pytest.mark.parametrize(('toml', 'faults'), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_faulty_file_is_reported_with_line_column_and_remedy(toml, faults, report, tmp_path):
    expected = f'{faults.replace("<dir>", str(tmp_path))}\n1 file has faults; nothing was started'

    assert report(toml) == expected
