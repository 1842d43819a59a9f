"""TLS as other programs see it: curl, openssl s_client and Python's ssl against real processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.certificates import Authority, rsa_key
from tests.helpers.server import run_to_end, running_server

EXAMPLES = Path(__file__).parents[2] / 'examples' / 'configs'
APP = """\
async def app(scope, receive, send):
    tls = scope['extensions']['tls']
    body = f"{scope['scheme']} {scope['http_version']} {tls['client_cert_name']}".encode()
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'%d' % len(body))]})
    await send({'type': 'http.response.body', 'body': body})
"""
needs_openssl = pytest.mark.skipif(shutil.which('openssl') is None, reason='needs the program openssl')
needs_curl = pytest.mark.skipif(shutil.which('curl') is None, reason='needs the program curl')
ROOT = Authority('root')


@pytest.fixture
def folder(tmp_path):
    """An application, a certificate for localhost and the authority that issued it."""
    (tmp_path / 'main.py').write_text(APP)
    (tmp_path / 'ca.pem').write_text(ROOT.pem)
    ROOT.issue('localhost').write(tmp_path, 'site')
    return tmp_path


WORDS = ('--interface', 'asginl', '--ssl-certificate', 'site.pem', '--ssl-keyfile', 'site.key')


def ran(*command, cwd, **options):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False, **options)


def curl(server, *words, cwd):
    return ran('curl', '-sS', '--cacert', 'ca.pem', *words, f'https://localhost:{server.port}/', cwd=cwd)


def s_client(server, *words, cwd, said):
    command = (
        'openssl',
        's_client',
        '-connect',
        f'127.0.0.1:{server.port}',
        '-CAfile',
        'ca.pem',
        '-servername',
        'localhost',
    )
    return ran(*command, *words, cwd=cwd, input=said).stdout


class Met(NamedTuple):
    """What a client found out on a connection on which one request was answered."""

    serial: int
    session: ssl.SSLSession
    came_back: bool


def meet(server, context=None, session=None):
    with socket.create_connection(('127.0.0.1', server.port), timeout=30) as plain:
        context = context or ROOT.client_context()
        with context.wrap_socket(plain, server_hostname='localhost', session=session) as client:
            client.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
            answer = b''
            while data := client.recv(4096):
                answer += data
            assert answer.startswith(b'HTTP/1.1 200 OK')
            serial = client.getpeercert()['serialNumber']
            return Met(int(serial, 16), client.session, client.session_reused)


@needs_curl
@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_curl_is_answered_and_logged_as_https(loop, folder):
    words = (*WORDS, '--loop', loop, '--access-log', '--access-log-fmt', '%(scheme)s %(protocol)s %(status)d')
    with running_server(*words, 'main:app', cwd=folder) as server:
        assert curl(server, '--http1.1', cwd=folder).stdout == 'https 1.1 None'
        server.wait_for('Listening at: https://127.0.0.1:')
        server.wait_for('https HTTP/1.1 200')


@needs_curl
def test_curl_speaks_http_2_where_it_is_offered(folder):
    if 'HTTP2' not in ran('curl', '--version', cwd=folder).stdout:
        pytest.skip('this curl has no HTTP/2')
    with running_server(*WORDS, 'main:app', cwd=folder) as server:
        assert curl(server, '--http2', cwd=folder).stdout == 'https 2 None'
    with running_server(*WORDS, '--http', '1', 'main:app', cwd=folder) as server:
        assert curl(server, '--http2', cwd=folder).stdout == 'https 1.1 None'


@needs_openssl
def test_openssl_agrees_on_the_best_and_is_told_the_end(folder):
    request = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
    with running_server(*WORDS, 'main:app', cwd=folder) as server:
        said = s_client(server, '-alpn', 'http/1.1', '-ign_eof', cwd=folder, said=request)
    assert 'New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384' in said
    assert 'ALPN protocol: http/1.1' in said
    assert 'Verify return code: 0 (ok)' in said
    # Read to an orderly end: s_client says so.
    assert 'https 1.1 None' in said
    assert said.rstrip().endswith('closed')


@needs_openssl
def test_renegotiation_is_refused(folder):
    with running_server(*WORDS, '--ssl-protocol-min', 'tls1.2', 'main:app', cwd=folder) as server:
        said = ran(
            'openssl', 's_client', '-connect', f'127.0.0.1:{server.port}', '-tls1_2', cwd=folder, input='R\n', env=os.environ | {'LC_ALL': 'C'}
        )  # fmt: skip
        assert 'RENEGOTIATING' in said.stderr
        assert 'no renegotiation' in said.stderr
        # It was that client's fault alone.
        meet(server)


def test_tickets_of_one_worker_are_good_at_the_others(folder):
    context = ROOT.client_context()
    with running_server(*WORDS, '--workers', '4', 'main:app', cwd=folder) as server:
        session = meet(server, context).session
        for _ in range(12):
            again = meet(server, context, session)
            assert again.came_back
            session = again.session


def test_key_that_signs_slowly_holds_up_nobody(folder):
    ROOT.issue('localhost', key=rsa_key()).write(folder, 'site')
    with running_server(*WORDS, 'main:app', cwd=folder) as server:
        for _ in range(5):
            meet(server)


def test_changed_files_are_used_and_faulty_ones_are_said(folder):
    with running_server(*WORDS, '--set', 'listeners[0].tls.reload_interval="100ms"', 'main:app', cwd=folder) as server:
        fresh = ROOT.issue('localhost')
        fresh.write(folder, 'site')
        server.wait_for('TLS certificates of .* were replaced')
        assert meet(server).serial == fresh.certificate.serial_number
        (folder / 'site.pem').write_text('nothing')
        server.wait_for(r"stay as they were: certificate: '.*site\.pem' holds no certificate in PEM form")
        meet(server)


def test_hang_up_uses_new_files_at_once(folder):
    with running_server(*WORDS, '--set', 'listeners[0].tls.reload_interval="1h"', 'main:app', cwd=folder) as server:
        fresh = ROOT.issue('localhost')
        fresh.write(folder, 'site')
        server.send_signal(signal.SIGHUP)
        server.wait_for('Reloaded: generation 2 serves')
        assert meet(server).serial == fresh.certificate.serial_number


def test_certificate_without_a_key_starts_nothing(folder):
    status, log = run_to_end('--ssl-certificate', 'site.pem', 'main:app', cwd=folder)

    assert status == 2
    assert 'listeners[0].tls.key: is missing' in log


def test_expired_certificate_starts_nothing(folder):
    ROOT.issue('localhost', days=(-30, -1)).write(folder, 'site')

    for words in ((), ('check',)):
        status, log = run_to_end(*words, *WORDS, 'main:app', cwd=folder)
        assert status == 2
        assert "flag --ssl-certificate: listeners[0].tls.certificate: '" in log
        assert 'has expired on' in log


def test_plain_http_is_told_what_to_do(folder):
    with (
        running_server(*WORDS, 'main:app', cwd=folder) as server,
        socket.create_connection(('127.0.0.1', server.port)) as client,
    ):
        client.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
        assert client.recv(4096).startswith(b'HTTP/1.1 400 Bad Request')
        server.wait_for(r'TLS handshake with 127\.0\.0\.1:\d+ failed: it speaks HTTP without TLS')


@needs_openssl
@needs_curl
def test_the_example_serves_as_it_says(tmp_path):
    shutil.copytree(EXAMPLES, tmp_path / 'configs', ignore=shutil.ignore_patterns('*.pem', '*.key', 'made'))
    folder = tmp_path / 'configs'
    subprocess.run(['/bin/sh', 'certs/make.sh'], cwd=folder, check=True, capture_output=True, timeout=60)
    text = (folder / 'tls.toml').read_text()
    (folder / 'tls.toml').write_text(
        text.replace('127.0.0.1:8443', '127.0.0.1:0').replace('127.0.0.1:9443', '127.0.0.1:0')
    )

    def ask(port, *words, name='localhost'):
        where = f'--resolve {name}:{port}:127.0.0.1 https://{name}:{port}/'.split()
        return ran('curl', '-sS', '--cacert', 'certs/ca.pem', *words, *where, cwd=folder)

    with running_server('serve', '-c', 'tls.toml', cwd=folder) as server:
        first, second = (
            int(server.wait_for(r'Listening at: https://.*:(\d+)$', count=number).group(1)) for number in (1, 2)
        )
        assert ask(first).stdout
        assert ask(first, name='shop.example.org').stdout
        own = ('--cert', 'certs/client.pem', '--key', 'certs/client.key')
        assert ask(second, *own).stdout
        assert ask(second).returncode != 0
        server.wait_for('TLS handshake with .* failed: peer did not return a certificate')


def test_version_below_the_least_is_refused(folder):
    context = ROOT.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with running_server(*WORDS, 'main:app', cwd=folder) as server:
        with pytest.raises(ssl.SSLError, match='PROTOCOL_VERSION'):
            meet(server, context)
        server.wait_for('failed: unsupported protocol')
