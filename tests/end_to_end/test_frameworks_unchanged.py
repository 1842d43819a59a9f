"""Applications of Starlette and FastAPI as people write them, on real servers of every kind, asked by real clients."""

from __future__ import annotations

import hashlib
import itertools
import json
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.helpers.server import running_server

APPS = Path(__file__).parent / 'apps'
UPLOAD_BYTES = 100 * 1024 * 1024

PLACES = list(itertools.product(('starlette', 'fastapi'), ('fast', 'h11'), (1, 3), ('tcp', 'unix')))


class Place:
    """A running server and the clients that know where it is."""

    def __init__(self, server, framework, workers, unix_path):
        self.server = server
        self.framework = framework
        self.workers = workers
        self.unix_path = unix_path
        self.base = 'http://granian.test' if unix_path else f'http://127.0.0.1:{server.port}'
        self.client = httpx.Client(base_url=self.base, transport=httpx.HTTPTransport(uds=unix_path), timeout=30)

    def curl(self, path, *arguments):
        """The standard output of curl; its failure fails the test."""
        where = ['--unix-socket', self.unix_path] if self.unix_path else []
        command = [
            'curl',
            '--silent',
            '--show-error',
            '--fail',
            '--max-time',
            '60',
            *where,
            *arguments,
            self.base + path,
        ]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def connect(self):
        if self.unix_path is None:
            return socket.create_connection(('127.0.0.1', self.server.port), timeout=20)
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(self.unix_path)
        return sock

    def said(self, pattern):
        """How often the application has said that."""
        return sum(pattern in line for line in self.server.lines)


@pytest.fixture(scope='module', params=PLACES, ids=lambda place: '-'.join(map(str, place)))
def place(request, tmp_path_factory):
    framework, engine, workers, kind = request.param
    unix_path = str(tmp_path_factory.mktemp('s') / 'a.sock') if kind == 'unix' else None
    arguments = ['--interface', 'asgi', '--set', f'http1.engine={engine}', '--workers', str(workers)]
    arguments += ['--uds', unix_path] if unix_path else []
    with running_server(*arguments, f'{framework}_app:app', cwd=APPS) as server:
        assert server.wait_for(r'HTTP/1 engine: (\w+)').group(1) == engine
        place = Place(server, framework, workers, unix_path)
        with place.client:
            yield place
    assert place.said('shut down ') == workers


@pytest.fixture(scope='session')
def upload(tmp_path_factory):
    """A large file that is not the same everywhere, and its digest."""
    path = tmp_path_factory.mktemp('upload') / 'large.bin'
    digest = hashlib.sha256()
    with path.open('wb') as file:
        for number in range(UPLOAD_BYTES // (1024 * 1024)):
            piece = hashlib.sha256(b'%d' % number).digest() * (1024 * 1024 // 32)
            digest.update(piece)
            file.write(piece)
    yield path, digest.hexdigest()
    path.unlink()


def test_each_worker_has_the_state_of_its_own_lifespan(place):
    states = []
    for _ in range(20):
        # A connection each, so that every worker gets some.
        with place.connect() as sock:
            sock.sendall(b'GET /state HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
            answer = b''.join(iter(lambda: sock.recv(65536), b''))
        states.append(json.loads(answer.partition(b'\r\n\r\n')[2]))
    assert all(state['own'] for state in states)
    assert {state['pid'] for state in states} <= set(place.server.worker_pids())


def test_client_and_server_are_what_frameworks_expect(place):
    told = place.client.get('/client').json()
    if place.unix_path:
        assert (told['client'], told['server']) == (None, [place.unix_path, None])
    else:
        assert told['client'][0] == '127.0.0.1'
        assert told['server'] == ['127.0.0.1', place.server.port]
    assert told['url'] == f'{place.base}/client'


def test_streaming(place):
    wanted = ''.join(f'{number}\n' for number in range(1000))
    with place.client.stream('GET', '/stream', params={'pieces': 1000}) as response:
        assert response.headers['transfer-encoding'] == 'chunked'
        assert ''.join(response.iter_text()) == wanted
    assert place.curl('/stream?pieces=1000').decode() == wanted
    assert place.curl('/stream?pieces=1000', '--http1.0').decode() == wanted


def test_events_come_as_they_happen_and_stop_when_the_client_leaves(place):
    stopped = place.said('events stopped')
    with place.client.stream('GET', '/events') as response:
        assert response.headers['content-type'].startswith('text/event-stream')
        events = [line for line, _ in zip(filter(None, response.iter_lines()), range(5), strict=False)]
        assert events == [f'data: {number}' for number in range(5)]
    place.server.wait_for('events stopped', count=stopped + 1)


def test_background_tasks_run_after_the_response(place):
    assert place.client.get('/background', params={'token': 'httpx'}).text == 'soon'
    assert place.curl('/background?token=curl') == b'soon'
    place.server.wait_for('background httpx$')
    place.server.wait_for('background curl$')


def test_a_disconnect_is_noticed(place):
    before = place.said('waiting')
    with place.connect() as sock:
        sock.sendall(b'GET /disconnect HTTP/1.1\r\nHost: a\r\n\r\n')
        place.server.wait_for('waiting', count=before + 1)
    place.server.wait_for('disconnected', count=before + 1)


def test_an_upload_of_100_mib_as_a_form(place, upload):
    path, digest = upload
    told = json.loads(place.curl('/form', '--form', f'file=@{path}', '--form', 'note=caf\u00e9'))
    assert told == {'name': 'large.bin', 'note': 'caf\u00e9', 'sha256': digest}


def test_an_upload_as_it_comes(place):
    content = bytes(range(256)) * 20_000

    def pieces():
        for start in range(0, len(content), 100_000):
            yield content[start : start + 100_000]

    wanted = {'size': len(content), 'sha256': hashlib.sha256(content).hexdigest()}
    assert place.client.post('/raw', content=content).json() == wanted
    assert place.client.post('/raw', content=pieces()).json() == wanted


def test_curl_waits_for_100_continue(place, tmp_path):
    content = bytes(5_000_000)
    (tmp_path / 'file').write_bytes(content)
    told = json.loads(place.curl('/raw', '--data-binary', f'@{tmp_path / "file"}', '-H', 'Expect: 100-continue'))
    assert told == {'size': len(content), 'sha256': hashlib.sha256(content).hexdigest()}


def test_a_file(place):
    content = (APPS / f'{place.framework}_app.py').read_bytes()
    response = place.client.get('/file')
    assert (response.content, response.headers['content-length']) == (content, str(len(content)))
    assert place.curl('/file', '--range', '10-19') == content[10:20]
    assert place.client.head('/file').headers['content-length'] == str(len(content)) or place.framework == 'fastapi'
    unchanged = place.client.get('/file', headers={'if-none-match': response.headers['etag']})
    assert unchanged.status_code in {200, 304}


def test_many_requests_at_once_over_few_connections(place):
    limits = httpx.Limits(max_connections=8)
    transport = httpx.HTTPTransport(uds=place.unix_path, limits=limits)
    with httpx.Client(base_url=place.base, transport=transport, timeout=30) as client, ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: client.get(f'/stream?pieces={number}').text.count('\n'), range(200)))
    assert statuses == list(range(200))
