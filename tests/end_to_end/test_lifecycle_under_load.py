from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import threading
from collections import Counter

import pytest

from tests.helpers.server import running_server

APP = """
async def app(scope, receive, send):
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'x' * 100})
"""
REQUESTS = 20_000
CLIENTS = 8


class Load:
    """Clients that ask until they are refused; each outcome is counted."""

    def __init__(self, address: tuple[str, int] | str, requests_per_connection: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self._address = address
        self._per_connection = requests_per_connection
        self._lock = threading.Lock()
        self._enough = threading.Event()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def wait_answered(self) -> None:
        assert self._enough.wait(120), self.outcomes

    def wait_refused(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _count(self, outcome: str) -> None:
        with self._lock:
            self.outcomes[outcome] += 1
            if self.outcomes['answered'] >= REQUESTS:
                self._enough.set()

    def _connected(self) -> socket.socket | None:
        sock = socket.socket(socket.AF_UNIX if isinstance(self._address, str) else socket.AF_INET)
        sock.settimeout(30)
        try:
            sock.connect(self._address)
        except OSError:
            # Refused, or reset before a byte was sent: no request is lost by that.
            sock.close()
            return None
        return sock

    def _run(self) -> None:
        while not self._ended.is_set():
            sock = self._connected()
            if sock is None:
                self._count('refused')
                return
            with sock:
                for number in range(self._per_connection):
                    outcome = self._ask(sock, last=number == self._per_connection - 1, reused=number > 0)
                    self._count(outcome)
                    if outcome != 'answered':
                        break

    def _ask(self, sock: socket.socket, *, last: bool, reused: bool) -> str:
        """`retried`: a kept connection ended before a byte of the answer; RFC 9112 9.3.1 has the client ask again."""
        connection = b'close' if last else b'keep-alive'
        response = http.client.HTTPResponse(sock)
        with contextlib.closing(response):
            try:
                sock.sendall(b'GET / HTTP/1.1\r\nHost: a\r\nConnection: ' + connection + b'\r\n\r\n')
                response.begin()
                whole = len(response.read()) == 100
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                return 'retried' if reused else 'lost'
        if not whole:
            return 'cut'
        return 'closed' if not last and response.getheader('connection') == 'close' else 'answered'


@pytest.fixture
def project(tmp_path):
    (tmp_path / 'main.py').write_text(APP)
    return tmp_path


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
@pytest.mark.parametrize('per_connection', [1, 50])
@pytest.mark.parametrize('listener', ['tcp', 'unix'])
def test_a_graceful_stop_under_load_loses_no_request(project, listener, per_connection, loop):
    where = ('--port', '0') if listener == 'tcp' else ('--uds', 'a.sock')
    arguments = ('--interface', 'asginl', '--workers', '2', '--loop', loop, *where, 'main:app')
    with running_server(*arguments, cwd=project) as server:
        address = ('127.0.0.1', server.port) if listener == 'tcp' else str(project / 'a.sock')
        with Load(address, per_connection) as load:
            load.wait_answered()
            server.send_signal(signal.SIGTERM)
            load.wait_refused()
        assert server.wait_ended() == 0
    print(load.outcomes)
    assert load.outcomes['answered'] >= REQUESTS
    assert (load.outcomes['lost'], load.outcomes['cut']) == (0, 0)


def test_a_killed_worker_loses_only_what_it_held(project):
    arguments = ('--interface', 'asginl', '--workers', '2', '--respawn-failed-workers', 'main:app')
    with running_server(*arguments, cwd=project) as server:
        with Load(('127.0.0.1', server.port), 50) as load:
            os.kill(server.worker_pids()[0], signal.SIGKILL)
            load.wait_answered()
    failed = load.outcomes['lost'] + load.outcomes['cut'] + load.outcomes['retried']
    print(load.outcomes)
    assert load.outcomes['answered'] >= REQUESTS
    assert load.outcomes['refused'] == 0
    # One request in flight for each client.
    assert failed <= CLIENTS
