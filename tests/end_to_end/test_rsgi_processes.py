from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket

import pytest

from tests.helpers.server import run_to_end, running_server

APP = """
import asyncio, os

def say(text):
    # In one piece, although other workers write too.
    os.write(1, f'{text} {os.getpid()}\\n'.encode())

class App:
    async def __rsgi__(self, scope, protocol):
        if scope.path == '/stream':
            say('streaming')
            transport = protocol.response_stream(200, [])
            await transport.send_str('first')
            await asyncio.get_running_loop().run_in_executor(None, read_fifo)
            await transport.send_str('last')
        elif scope.path == '/file':
            protocol.response_file(200, [], __file__)
        elif scope.path == '/empty':
            protocol.response_empty()
        elif scope.path == '/fail':
            raise SystemExit(7)
        elif scope.method == 'POST':
            protocol.response_bytes(body=await protocol())
        else:
            protocol.response_str(200, [('x-state', self.state)], f'{scope.path} {scope.server}')

    def __rsgi_init__(self, loop):
        async def prepare():
            await asyncio.sleep(0)
            self.state = 'prepared'
        loop.run_until_complete(prepare())
        say('init')

    def __rsgi_del__(self, loop):
        loop.run_until_complete(asyncio.sleep(0))
        say('del')

def read_fifo():
    with open('fifo') as fifo:
        fifo.read()

app = App()

class Broken(App):
    def __rsgi_init__(self, loop):
        raise ValueError('no database')

broken = Broken()
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / 'main.py').write_text(APP)
    return tmp_path


def ask(server, path='/', method='GET', body=None):
    with contextlib.closing(http.client.HTTPConnection('127.0.0.1', server.port, timeout=10)) as connection:
        connection.request(method, path, body)
        reply = connection.getresponse()
        return reply.status, reply.read(), dict(reply.getheaders())


@pytest.mark.parametrize('engine', ['fast', 'h11'])
@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_an_application_is_served_from_init_to_del_in_each_worker(project, engine, loop):
    arguments = ('--interface', 'rsgi', '--loop', loop, '--set', f'http1.engine={engine}', '--workers', '2')
    with running_server(*arguments, 'main:app', cwd=project, stray_ok=True) as server:
        inits = {server.wait_for(r'^init (\d+)$', count=count).group(1) for count in (1, 2)}
        assert inits == {str(pid) for pid in server.worker_pids()}
        for _ in range(4):
            status, body, headers = ask(server, '/a%20b')
            assert (status, body) == (200, f'/a b 127.0.0.1:{server.port}'.encode())
            assert headers['x-state'] == 'prepared'
        assert ask(server, '/', 'POST', b'x' * 300_000)[1] == b'x' * 300_000
        assert ask(server, '/file')[1] == APP.encode()
        assert ask(server, '/fail')[:2] == (500, b'')
        assert ask(server)[0] == 200
    assert {server.wait_for(r'^del (\d+)$', count=count).group(1) for count in (1, 2)} == inits


def test_an_application_that_fails_in_init_is_named_and_stops_the_server(project):
    status, log = run_to_end('--interface', 'rsgi', 'main:broken', cwd=project)
    assert status == 1
    assert 'RSGI init failed: ValueError: no database' in log
    assert "raise ValueError('no database')" in log
    assert 'granian/adapters' not in log


def test_a_stream_is_finished_before_the_worker_stops(project):
    os.mkfifo(project / 'fifo')
    with running_server('--interface', 'rsgi', 'main:app', cwd=project) as server:
        with socket.create_connection(('127.0.0.1', server.port), timeout=10) as client:
            client.sendall(b'GET /stream HTTP/1.1\r\nHost: x\r\n\r\n')
            received = b''
            while b'first' not in received:
                received += client.recv(65536)
            server.send_signal(signal.SIGTERM)
            server.wait_for('(?i)stopping|shutting')
            with open(project / 'fifo', 'w') as fifo:
                fifo.write('go on')
            while piece := client.recv(65536):
                received += piece
        assert received.endswith(b'4\r\nlast\r\n0\r\n\r\n')


def test_rsgi_is_the_interface_where_none_is_given(project):
    with running_server('main:app', cwd=project) as server:
        assert ask(server)[0] == 200


def test_arguments_may_be_left_out_with_the_access_log_on(project):
    with running_server('--interface', 'rsgi', '--access-log', 'main:app', cwd=project) as server:
        assert ask(server, '/empty')[:2] == (200, b'')
        server.wait_for(r'"GET /empty HTTP/1.1" 200 ')
