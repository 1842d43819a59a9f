"""Examples with mounts as they stand in the repository: whole processes, TCP and Unix socket at once."""

from __future__ import annotations

import http.client
import shutil
import socket
from pathlib import Path

import pytest

from tests.helpers.server import run_to_end, running_server

EXAMPLES = Path(__file__).parents[2] / 'examples' / 'configs'


@pytest.fixture
def examples(tmp_path):
    # A copy: importing the applications leaves compiled files beside them.
    return Path(shutil.copytree(EXAMPLES, tmp_path / 'configs'))


def ask(address, host, path, method='GET'):
    """Status, fields in lower case, body."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as sock:
        sock.settimeout(20)
        sock.connect(address)
        sock.sendall(f'{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n'.encode())
        response = http.client.HTTPResponse(sock, method=method)
        response.begin()
        body = response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, body


SEVERAL = [
    ('any.example', '/', 200, b"shop '' '/'\n"),
    ('any.example', '/x/y', 200, b"shop '' '/x/y'\n"),
    ('any.example', '/legacyx', 200, b"shop '' '/legacyx'\n"),
    ('any.example', '/legacy', 200, b"wsgi '/legacy' ''\n"),
    ('any.example', '/legacy/a%20b', 200, b"wsgi '/legacy' '/a b'\n"),
    ('any.example', '/events', 200, b"rsgi '/'\n"),
    ('any.example', '/events/1', 200, b"rsgi '/1'\n"),
    ('any.example', '/assets/style.css', 200, b'h1 { color: rebeccapurple }\n'),
    ('any.example', '/assets/none.css', 404, b'Not found'),
    ('any.example', '/assets/../legacy', 404, b'Not found'),
    ('any.example', '/downloads/prices.csv', 200, b"shop '' '/downloads/prices.csv'\n"),
    ('www.example.org', '/downloads/prices.csv', 200, b'item,price\ntea,3\n'),
    ('www.example.org', '/downloads/%2e%2e/granian.toml', 200, b"shop '' '/downloads/../granian.toml'\n"),
    ('www.example.org', '/legacy/x', 200, b"wsgi '/legacy' '/x'\n"),
    ('admin.example.org', '/', 200, b"admin '' '/'\n"),
    ('admin.example.org:8000', '/legacy', 200, b"admin '' '/legacy'\n"),
]


@pytest.mark.parametrize('workers', [1, 2])
def test_two_asgi_a_wsgi_and_an_rsgi_application_and_two_folders_on_tcp_and_a_unix_socket(workers, examples, tmp_path):
    words = ['serve', '-c', 'several-applications.toml', '--port', '0', '--workers', str(workers), '--access-log']
    words += ['--access-log-fmt', 'asked %(status)d %(path)s', '--set', 'listeners[1].bind=unix:x.sock']

    with running_server(*words, cwd=examples) as server:
        for address in (('127.0.0.1', server.port), str(examples / 'x.sock')):
            for host, path, status, body in SEVERAL:
                assert (host, path, *ask(address, host, path)[::2]) == (host, path, status, body)
        _, fields, _ = ask(address, 'admin.example.org', '/')
        assert fields['x-frame-options'] == 'DENY'
        _, fields, _ = ask(address, 'x', '/assets/style.css')
        assert (fields['cache-control'], fields['content-type']) == ('max-age=3600', 'text/css; charset=utf-8')
        server.wait_for(r'^asked 200 /assets/style\.css$')
        server.wait_for(r'^asked 404 /assets/none\.css$')

    # Two workers may write into one line.
    for event in ('shop starts', 'admin starts', 'admin stops', 'shop stops'):
        assert server.log.count(event) == workers
    if workers == 1:
        events = [line for line in server.lines if line.endswith((' starts', ' stops'))]
        assert events == ['shop starts', 'admin starts', 'admin stops', 'shop stops']


def test_folder_alone_is_served(examples):
    with running_server('serve', '-c', 'static-site.toml', '--port', '0', cwd=examples) as server:
        address = ('127.0.0.1', server.port)
        status, fields, body = ask(address, 'x', '/')
        assert (status, fields['content-type'], fields['cache-control']) == (
            200,
            'text/html; charset=utf-8',
            'no-cache',
        )
        assert body == (examples / 'site' / 'index.html').read_bytes()
        assert fields['referrer-policy'] == 'same-origin'
        status, fields, _ = ask(address, 'x', '/assets/style.css', 'HEAD')
        assert (status, 'immutable' in fields['cache-control']) == (200, True)
        status, fields, _ = ask(address, 'x', '/none', 'GET')
        assert (status, fields['referrer-policy']) == (404, 'same-origin')


def test_redirects_and_fixed_answers(examples):
    with running_server('serve', '-c', 'redirects.toml', '--port', '0', cwd=examples) as server:
        address = ('127.0.0.1', server.port)
        for host, path, status, location in [
            ('example.org', '/a?b=c', 308, 'https://www.example.org/a?b=c'),
            ('shop.example.com', '/', 308, 'https://www.example.org/'),
            ('x', '/blog/1?page=2', 307, 'https://blog.example.org/posts/1?page=2'),
            ('x', '/sale/tea?utm=1', 302, '/offers?from=sale&utm=1'),
            ('x', '/attic/2019', 410, None),
            ('x', '/checkout', 503, None),
            ('example.com', '/', 200, None),
        ]:
            found, fields, _ = ask(address, host, path)
            assert (path, found, fields.get('location')) == (path, status, location)
        assert ask(address, 'x', '/checkout')[2] == b'Back at nine.'


def test_upstreams_static_flags_serve_folders_beside_the_application(examples):
    words = ['--interface', 'asgi', '--static-path-mount', 'site', '--static-path-mount', 'downloads']
    words += [
        '--static-path-route',
        '/site',
        '--static-path-route',
        '/files',
        '--static-path-dir-to-file',
        'index.html',
    ]
    words += ['--static-path-expires', '60', 'apps/hello.py:app']

    with running_server(*words, cwd=examples) as server:
        address = ('127.0.0.1', server.port)
        assert ask(address, 'x', '/site/')[2].startswith(b'<!doctype html>')
        # A client of upstream's follows no redirect.
        assert ask(address, 'x', '/site')[2].startswith(b'<!doctype html>')
        status, fields, body = ask(address, 'x', '/files/prices.csv')
        assert (status, fields['cache-control'], body) == (200, 'max-age=60', b'item,price\ntea,3\n')
        assert ask(address, 'x', '/filesx')[2] == ask(address, 'x', '/')[2] == b'Hello from granian\n'


@pytest.mark.parametrize('workers', ['1', '2'])
def test_application_that_does_not_start_is_named_and_nothing_serves(workers, examples):
    (examples / 'apps' / 'broken.py').write_text(
        'async def app(scope, receive, send):\n'
        '    await receive()\n'
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    text = (examples / 'several-applications.toml').read_text()
    text += '\n[[apps]]\nname = "reports"\ntarget = "apps/broken.py:app"\ninterface = "asgi"\npath = "/reports"\n'
    (examples / 'granian.toml').write_text(text)

    words = [
        'serve',
        '-c',
        'granian.toml',
        '--port',
        '0',
        '--workers',
        workers,
        '--set',
        'listeners[1].bind=unix:x.sock',
    ]
    status, log = run_to_end(*words, cwd=examples)

    assert status == 1
    assert "application 'reports': ASGI lifespan startup failed" in log
    assert 'no database' in log
    assert log.count('shop starts') == log.count('shop stops') > 0
    assert 'Started worker' not in log
    assert not (examples / 'x.sock').exists()


def test_check_tries_every_application(examples):
    text = (examples / 'several-applications.toml').read_text().replace('shop_rsgi.py', 'none.py')
    (examples / 'granian.toml').write_text(text.replace('shop_asgi.py:admin', 'shop_asgi.py:admim'))

    words = ['check', '-c', 'granian.toml', '--port', '0', '--set', 'listeners[1].bind=unix:x.sock']
    status, log = run_to_end(*words, cwd=examples)

    assert status == 2
    faults = [line.split(': ', 2)[1:] for line in log.splitlines()]
    assert [key for key, _ in faults] == ['apps[1].target', 'apps[3].target']
    assert "has no attribute 'admim'" in faults[0][1]
    assert "Could not import 'none'" in faults[1][1]
