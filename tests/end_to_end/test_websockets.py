"""Sessions of real clients with frameworks that do not know this server, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.end_to_end.slow_reader import INTERFACES, VERSIONS, growth_bytes
from tests.helpers.server import running_server
from tests.helpers.wire import Wire

APPS = Path(__file__).parent / 'apps'
MIB = 1024 * 1024
PATIENCE_S = 30


def serving(target, *more, interface='asgi', **options):
    return running_server('--interface', interface, *more, target, cwd=APPS, **options)


def session(server, path, **options):
    options = {
        'compression': None,
        'max_size': None,
        'open_timeout': PATIENCE_S,
        'close_timeout': PATIENCE_S,
        **options,
    }
    return connect(f'ws://127.0.0.1:{server.port}{path}', **options)


def ends(server):
    return httpx.get(f'http://127.0.0.1:{server.port}/ends', timeout=PATIENCE_S).text.splitlines()


def until_ended(server, count):
    while len(seen := ends(server)) < count:
        pass
    return seen


@pytest.fixture(params=['fast', 'wsproto'], scope='module')
def starlette(request):
    with serving('starlette_websockets:app', '--set', f'websocket.engine={request.param}', stray_ok=True) as server:
        yield server


# ── Starlette ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_text_and_bytes_come_back_and_the_end_is_told(starlette):
    before = len(ends(starlette))
    with session(starlette, '/echo') as peer:
        assert peer.response.headers['x-from'] == 'starlette'
        for data in ('', 'größer ✓', b'', b'\0\xff', 'x' * 200_000, b'y' * 200_000):
            peer.send(data)
            assert peer.recv() == data
        # In pieces.
        peer.send(iter(['one ', 'and ', 'two']))
        assert peer.recv() == 'one and two'
        assert peer.ping().wait(PATIENCE_S)
        peer.close(4001, 'bye')
    assert until_ended(starlette, before + 1)[-1] == '4001 bye'


@pytest.mark.parametrize('compression', [None, 'deflate'])
def test_a_hundred_mebibytes_there_and_back(starlette, compression):
    # Noise, so that there is something to compress; less of it then, for zlib is the client's work too.
    piece = random.Random(1).randbytes(256 * 1024) * 4
    count = 100 if compression is None else 4
    with session(starlette, '/echo', compression=compression) as peer:
        assert ('sec-websocket-extensions' in peer.response.headers) is (compression is not None)
        for _ in range(count):
            peer.send(piece)
            assert peer.recv() == piece


def test_a_chat_of_three(starlette):
    names = ['ann', 'bob', 'eve']
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(session(starlette, f'/chat?name={name}', subprotocols=['chat'])) for name in names]
        assert [peer.subprotocol for peer in peers] == ['chat'] * 3
        for name, peer in zip(names, peers, strict=True):
            peer.send('hello')
            assert [other.recv(PATIENCE_S) for other in peers] == [f'{name}: hello'] * 3


def test_a_client_that_is_lost_without_a_word(starlette):
    before = len(ends(starlette))
    with session(starlette, '/echo') as peer:
        # A reset, behind the library's back.
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        peer.socket.shutdown(socket.SHUT_RDWR)
        assert until_ended(starlette, before + 1)[-1].startswith('1006')


@pytest.mark.parametrize('engine', ['fast', 'wsproto'])
def test_a_client_whose_net_has_gone_dead_is_found_by_ping(engine):
    times = ('--set', 'websocket.ping_interval=300ms', '--set', 'websocket.ping_timeout=3s')
    with (
        serving('starlette_websockets:app', '--set', f'websocket.engine={engine}', *times) as server,
        Wire(server.port) as wire,
        session(wire, '/echo') as gone,
        session(server, '/echo') as alive,
    ):
        for peer in (gone, alive):
            peer.send('there?')
            assert peer.recv(PATIENCE_S) == 'there?'
        wire.dead.set()
        assert until_ended(server, 1) == ['1006 no answer to a ping']
        assert gone.close_code is None
        alive.send('still there?')
        assert alive.recv(PATIENCE_S) == 'still there?'
        wire.close()


@pytest.mark.parametrize(
    ('path', 'status', 'body'), [('/denied', 401, b'members only'), ('/forbidden', 403, None), ('/nowhere', 403, None)]
)
def test_whoever_is_denied_reads_why(starlette, path, status, body):
    with pytest.raises(InvalidStatus) as caught, session(starlette, path):
        pass
    assert caught.value.response.status_code == status
    if body is not None:
        assert caught.value.response.body == body


@pytest.mark.parametrize(('path', 'code', 'reason'), [('/closes', 4003, 'enough'), ('/fails', 1011, '')])
def test_an_end_by_the_application_says_which(starlette, path, code, reason):
    with session(starlette, path) as peer:
        with pytest.raises(ConnectionClosed):
            peer.recv(PATIENCE_S)
        assert (peer.close_code, peer.close_reason) == (code, reason)


@pytest.mark.parametrize('interface', INTERFACES)
@pytest.mark.parametrize('version', VERSIONS)
def test_a_client_that_reads_nothing_does_not_fill_memory(interface, version):
    assert growth_bytes(64 * MIB, interface, version) < 10 * MIB


# ── others ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_django_channels():
    with serving('channels_app:app', stray_ok=True) as server, contextlib.ExitStack() as stack:
        with pytest.raises(InvalidStatus, match='403'), session(server, '/room/closed'):
            pass
        peers = [stack.enter_context(session(server, '/room/open')) for _ in range(2)]
        peers[0].send(json.dumps({'text': 'hello'}))
        assert [json.loads(peer.recv(PATIENCE_S)) for peer in peers] == [{'text': 'hello'}] * 2
        peers[1].send(b'\0\1')
        assert peers[1].recv(PATIENCE_S) == b'\0\1'
        assert httpx.get(f'http://127.0.0.1:{server.port}/', timeout=PATIENCE_S).text == 'plain Django'


@pytest.mark.parametrize('more', [(), ('--set', 'http1.engine=h11', '--loop', 'asyncio')])
def test_rsgi(more):
    with serving('rsgi_websockets:app', *more, interface='rsgi') as server, session(server, '/') as peer:
        for data in ('größer', b'\0\1', 'x' * MIB):
            peer.send(data)
            assert peer.recv(PATIENCE_S) == data


@pytest.mark.parametrize('interface', ['wsgi', 'rsgi'])
def test_where_there_are_none_an_opening_is_403_and_requests_are_served(interface):
    target, *more = ('wsgi_plain:app',) if interface == 'wsgi' else ('rsgi_websockets:app', '--no-ws')
    with serving(target, *more, interface=interface) as server:
        with pytest.raises(InvalidStatus) as caught, session(server, '/'):
            pass
        assert caught.value.response.status_code == 403
        assert caught.value.response.body == b'WebSockets are not served here\n'
        assert httpx.get(f'http://127.0.0.1:{server.port}/', timeout=PATIENCE_S).text == 'plain'


def test_a_stop_with_open_sessions_tells_all_of_them():
    with serving('rsgi_websockets:app', '--workers', '2', interface='rsgi') as server, contextlib.ExitStack() as stack:
        peers = [stack.enter_context(session(server, '/')) for _ in range(20)]
        for peer in peers:
            peer.send('x')
            assert peer.recv(PATIENCE_S) == 'x'
        server.process.send_signal(signal.SIGTERM)
        for peer in peers:
            with pytest.raises(ConnectionClosed):
                peer.recv(PATIENCE_S)
            assert (peer.close_code, peer.close_reason) == (1012, 'service restart')
        assert server.process.wait(PATIENCE_S) == 0
