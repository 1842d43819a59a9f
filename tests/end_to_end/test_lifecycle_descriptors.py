from __future__ import annotations

import contextlib
import socket
import sys
import time

import pytest

from tests.helpers.server import Server, server_environment

APP = """
async def app(scope, receive, send):
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b''})
"""
WARNING = 'New connections cannot be served now: too many open files'


@contextlib.contextmanager
def connected(port: int):
    with socket.create_connection(('127.0.0.1', port), timeout=20) as sock:
        yield sock


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_without_descriptors_it_warns_once_a_second_and_serves_when_there_are_some_again(tmp_path, loop):
    (tmp_path / 'main.py').write_text(APP)
    code = (
        'import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))\n'
        'from granian.cli import entrypoint; entrypoint()'
    )
    arguments = ('--interface', 'asginl', '--loop', loop, '--port', '0', 'main:app')
    server = Server([sys.executable, '-c', code, *arguments], cwd=tmp_path, env=server_environment())
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill_all)
        server.wait_ready()
        with contextlib.ExitStack() as many:
            for _ in range(80):
                many.enter_context(connected(server.port))
            server.wait_for(WARNING, count=3)
            told = len(server.lines)
            server.wait_for(WARNING, count=5)
            assert len(server.lines) <= told + 3
        assert answered(server.port)
        server.stop()
        stack.pop_all()


def answered(port: int) -> bool:
    """On either loop: at once, or when it accepts again."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        with contextlib.suppress(ConnectionError), connected(port) as sock:
            sock.sendall(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
            if sock.recv(1000).startswith(b'HTTP/1.1 200'):
                return True
        time.sleep(0.02)
    return False
