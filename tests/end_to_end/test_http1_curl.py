"""HTTP/1 as curl speaks it, to real processes."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.helpers.server import running_server

APPS = Path(__file__).parent / 'apps'


@pytest.fixture(scope='module', params=['fast', 'h11'])
def server(request):
    arguments = ('--interface', 'asgi', '--set', f'http1.engine={request.param}', 'plain_app:app')
    with running_server(*arguments, cwd=APPS, stray_ok=True) as server:
        yield server


@pytest.fixture
def curl(server):
    def run(*arguments, status=0):
        """What curl writes; a path stands for its address at the server."""
        base = f'http://127.0.0.1:{server.port}'
        full = [base + argument if argument.startswith('/') else argument for argument in arguments]
        done = subprocess.run(['curl', '--silent', '--max-time', '30', *full], check=False, capture_output=True)
        assert done.returncode == status, done
        return done.stdout

    return run


def test_one_connection_for_many_requests(curl):
    used = curl('/pid', '/pid', '/pid', '--write-out', ' %{num_connects}\n').decode().splitlines()
    assert [line.split()[1] for line in used] == ['1', '0', '0']


def test_http_1_0(curl):
    assert b'connection: close' in curl('--http1.0', '--include', '/pid').lower()
    answer = curl('--http1.0', '--include', '--data-binary', 'abc', '/echo').lower()
    assert answer.endswith(b'\r\n\r\nabc')
    assert b'transfer-encoding' not in answer


def test_http_1_0_with_keep_alive(curl):
    arguments = ('--http1.0', '-H', 'Connection: keep-alive', '/pid', '/pid', '--write-out', ' %{num_connects}\n')
    assert [line.split()[1] for line in curl(*arguments).decode().splitlines()] == ['1', '0']


def test_head(curl):
    assert b'200' in curl('--head', '/pid').splitlines()[0]


def test_a_cut_body_is_noticed(curl):
    # 18: a partial file. 56: the connection was reset, the only way to tell where closing ends the body.
    assert curl('/broken', status=18) == b'some'
    assert curl('--http1.0', '/broken', status=56) in {b'', b'some'}


def test_chunked_upload_echoed_as_it_comes(curl, tmp_path):
    content = bytes(range(256)) * 40_000
    (tmp_path / 'file').write_bytes(content)
    answer = curl('--data-binary', f'@{tmp_path}/file', '-H', 'Transfer-Encoding: chunked', '/echo')
    assert hashlib.sha256(answer).digest() == hashlib.sha256(content).digest()


def test_a_refused_upload_is_answered_although_it_goes_on(curl, tmp_path):
    (tmp_path / 'file').write_bytes(bytes(30_000_000))
    arguments = ('--data-binary', f'@{tmp_path}/file', '-H', 'Expect:', '/refuse', '--write-out', ' %{http_code}')
    assert curl(*arguments) == b'refused 403'


def test_trailers(curl):
    assert b'x-sum: 42' in curl('--include', '-H', 'TE: trailers', '/trailers').lower()


def test_early_hints(curl):
    answer = curl('--include', '/hints')
    assert answer.startswith(b'HTTP/1.1 103 ')
    assert answer.endswith(b'hinted')
