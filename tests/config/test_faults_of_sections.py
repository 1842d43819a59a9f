"""Faulty files, section by section and between keys: the whole report of each."""

from __future__ import annotations

import pytest

CASES = [
    (
        'bad-IPv6',
        """\
[[listeners]]
bind = "[::g]:8000"
""",
        "granian.toml:2:8: listeners[0].bind: '::g' is not an IPv6 address",
    ),
    (
        'bad-IPv4',
        """\
[[listeners]]
bind = "256.1.1.1:80"
""",
        "granian.toml:2:8: listeners[0].bind: '256.1.1.1' is not an IPv4 address",
    ),
    (
        'address-with-a-scheme',
        """\
[[listeners]]
bind = "http://localhost:80"
""",
        "granian.toml:2:8: listeners[0].bind: 'http://localhost' is not a host name or an address",
    ),
    (
        'unix-without-a-path',
        """\
[[listeners]]
bind = "unix:"
""",
        "granian.toml:2:8: listeners[0].bind: 'unix:' names no path; write it like 'unix:/run/granian.sock'",
    ),
    (
        'fd-without-a-number',
        """\
[[listeners]]
bind = "fd:x"
""",
        "granian.toml:2:8: listeners[0].bind: 'fd:x' names no descriptor; write its number, like 'fd:3'",
    ),
    (
        'number-for-an-address',
        """\
[[listeners]]
bind = 8000
""",
        'granian.toml:2:8: listeners[0].bind: 8000 is not an address; write it like "127.0.0.1:8000"',
    ),
    (
        'same-bind-twice',
        """\
[[listeners]]
bind = "*:80"
[[listeners]]
bind = "*:80"
""",
        "granian.toml:4:8: listeners[1].bind: '*:80' is the bind of listeners[0] already",
    ),
    ('no-listeners', 'listeners = []\n', 'granian.toml:1:13: listeners: must not be empty'),
    (
        'few-streams',
        """\
[http2]
max_concurrent_streams = 9
""",
        'granian.toml:2:26: http2.max_concurrent_streams: 9 is less than the minimum allowed value of 10',
    ),
    (
        'window-of-no-32-bits',
        """\
[http2]
initial_stream_window_size = "2GiB"
""",
        "granian.toml:2:30: http2.initial_stream_window_size: '2GiB' is greater than the maximum allowed value of 2147483647",
    ),
    (
        'HTTP3',
        """\
[[listeners]]
http = "3"
""",
        "granian.toml:2:8: listeners[0].http: '3' is not one of: auto, 1, 2",
    ),
    ('section-that-is-a-value', 'server = 3\n', 'granian.toml:1:10: server: must be a table, not 3'),
    (
        'list-of-tables-that-is-a-table',
        """\
[listeners]
bind = "*:80"
""",
        'granian.toml:1:1: listeners: must be a list of tables, like [[listeners]], not a table',
    ),
    ('item-that-is-no-table', 'listeners = ["*:80"]\n', "granian.toml:1:14: listeners[0]: must be a table, not '*:80'"),
    (
        'no-target',
        """\
[[apps]]
interface = "asgi"
""",
        'granian.toml:1:1: apps[0].target: is missing; write it like target = "shop.api:app"',
    ),
    (
        'target-without-a-module',
        """\
[[apps]]
target = ":app"
interface = "asgi"
""",
        "granian.toml:2:10: apps[0].target: ':app' names no module; write it like 'module:app' or 'path/to/file.py:app'",
    ),
    (
        'target-with-a-bad-attribute',
        """\
[[apps]]
target = "main:app()"
interface = "asgi"
""",
        "granian.toml:2:10: apps[0].target: 'main:app()': 'app()' is not an attribute; write it like 'module:app'",
    ),
    (
        'target-with-a-bad-module',
        """\
[[apps]]
target = "my-app:app"
interface = "asgi"
""",
        "granian.toml:2:10: apps[0].target: 'my-app:app': 'my-app' is not a module or a file",
    ),
    (
        'lifespan-against-interface',
        """\
[[apps]]
target = "main:app"
interface = "asginl"
lifespan = "on"
""",
        'granian.toml:4:12: apps[0].lifespan: \'on\' contradicts interface = "asginl", which is ASGI without lifespan; write "asgi"',
    ),
    (
        'threads-for-asgi',
        """\
[[apps]]
target = "main:app"
interface = "asgi"
blocking_threads = 4
""",
        'granian.toml:4:20: apps[0].blocking_threads: 4 threads need an application that blocks; asgi runs on 1',
    ),
    (
        'empty-name',
        """\
[[apps]]
target = "main:app"
interface = "asgi"
name = ""
""",
        'granian.toml:4:8: apps[0].name: must not be empty',
    ),
    (
        'missing-directory',
        """\
[server]
working_dir = "src"
""",
        "granian.toml:2:15: server.working_dir: 'src': no such directory (looked for <dir>/src)",
    ),
    (
        'missing-env-files',
        """\
[server]
env_files = [
  "a.env", # one
  "b.env",
]
""",
        """\
granian.toml:3:3: server.env_files[0]: 'a.env': no such file (looked for <dir>/a.env)
granian.toml:4:3: server.env_files[1]: 'b.env': no such file (looked for <dir>/b.env)""",
    ),
    (
        'file-that-is-a-directory',
        """\
[logging]
config = "."
""",
        "granian.toml:2:10: logging.config: '.' is a directory, not a file",
    ),
    (
        'directory-that-is-a-file',
        """\
[server]
working_dir = "granian.toml"
""",
        "granian.toml:2:15: server.working_dir: 'granian.toml' is not a directory",
    ),
    (
        'logging-configuration-that-is-no-JSON',
        """\
[logging]
config = "granian.toml"
""",
        'granian.toml:2:10: logging.config: <dir>/granian.toml is not JSON: line 1, column 2: Expecting value',
    ),
    (
        'loop-that-is-not-installed',
        """\
[server]
loop = "winloop"
""",
        'granian.toml:2:8: server.loop: \'winloop\' is not installed here; install it, or write "auto"',
    ),
    (
        'unknown-atom',
        """\
[logging.access]
format = "%(addr)s %(stauts)d"
""",
        "granian.toml:2:10: logging.access.format: %(stauts) is not an atom of the access log; did you mean 'status'?",
    ),
    (
        'atom-in-the-wrong-type',
        """\
[logging]
access = { enabled = true, format = "%(path)d" }
""",
        "granian.toml:2:37: logging.access.format: '%(path)d' is not a format: %d format: a real number is required, not str",
    ),
    (
        'format-without-atoms',
        """\
[logging]
access.format = "combined"
""",
        "granian.toml:2:17: logging.access.format: 'combined' is neither 'text' nor 'json' nor a format with atoms like %(path)s",
    ),
    (
        'multi-line-text-before-the-fault',
        '''\
[[apps]]
name = """
[server]
workers = 0
"""
target = "a b"
''',
        "granian.toml:6:10: apps[0].target: 'a b': 'a b' is not a module or a file",
    ),
    (
        'inline-tables',
        'listeners = [{ bind = "*:80" }, { bind = "*:81", http = "3" }]\n',
        "granian.toml:1:57: listeners[1].http: '3' is not one of: auto, 1, 2",
    ),
    (
        'dotted-keys',
        """\
http1.engine = "own"
"server"."workers" = -1
""",
        """\
granian.toml:1:16: http1.engine: 'own' is not one of: fast, h11
granian.toml:2:22: server.workers: -1 is less than the minimum allowed value of 1""",
    ),
    (
        'tabs-and-unicode-before-the-fault',
        """\
[server]
	process_name = "grüße"
	workers  =  0 # ☃
""",
        'granian.toml:3:14: server.workers: 0 is less than the minimum allowed value of 1',
    ),
]


@pytest.mark.parametrize(('toml', 'faults'), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_faulty_file_is_reported_with_line_column_and_remedy(toml, faults, report, tmp_path):
    expected = f'{faults.replace("<dir>", str(tmp_path))}\n1 file has faults; nothing was started'

    assert report(toml) == expected
