"""What each of several applications asks for of its WebSocket sessions, on one server."""

from __future__ import annotations

import pytest

from granian.server import deadlines
from tests.helpers.serving import one_loop
from tests.helpers.websocket import ask, echo, open_session
from tests.helpers.websocket_engines import CONTINUATION, TEXT, frame

FOUR = """
[websocket]
engine = "{engine}"
origins = ["https://shop.example"]
max_message_size = 20
idle_timeout = "24d"
[[apps]]
target = "usual"
interface = "asginl"
[[apps]]
target = "own"
interface = "asginl"
path = "/own"
[apps.websocket]
origins = ["https://chat.example"]
max_message_size = 40
max_frame_size = 125
compression = false
[[apps]]
target = "open"
interface = "asginl"
path = "/open"
[apps.websocket]
origins = []
ping_interval = "10ms"
[[apps]]
target = "brief"
interface = "asginl"
path = "/brief"
[apps.websocket]
idle_timeout = "30ms"
close_timeout = "10ms"
"""
APPS = {'usual': echo, 'own': echo, 'open': echo, 'brief': echo}


@pytest.fixture(params=['fast', 'wsproto'])
def document(request):
    return FOUR.format(engine=request.param)


@pytest.fixture(autouse=True)
def fine_ticks(monkeypatch):
    monkeypatch.setattr(deadlines, 'TICK_S', 0.01)


@one_loop
@pytest.mark.parametrize(
    ('path', 'site', 'status'),
    [
        ('/', 'https://shop.example', 101),
        ('/', 'https://chat.example', 403),
        ('/own', 'https://chat.example', 101),
        ('/own', 'https://shop.example', 403),
        ('/open', 'https://any.example', 101),
    ],
)
async def test_each_application_has_its_own_sites(path, site, status, document, mounted):
    async with mounted(document, **APPS) as server:
        _, reply = await ask(server, path, f'Origin: {site}')
        assert reply.status == status


@one_loop
@pytest.mark.parametrize(('path', 'bytes_max'), [('/', 20), ('/own', 40)])
async def test_each_application_has_its_own_bound_on_messages(path, bytes_max, document, mounted):
    async with mounted(document, **APPS) as server:
        peer = await open_session(server, path)
        await peer.send('x' * bytes_max)
        assert await peer.message() == 'x' * bytes_max
        half = b'x' * (bytes_max // 2)
        await peer.client.send(frame(TEXT, half, fin=False) + frame(CONTINUATION, half + b'x'))
        assert await peer.closed() == (1009, b'message too large')


@one_loop
@pytest.mark.parametrize(('path', 'offered'), [('/', True), ('/own', False)])
async def test_one_application_may_do_without_compression(path, offered, document, mounted):
    async with mounted(document, **APPS) as server:
        _, reply = await ask(server, path, 'Sec-WebSocket-Extensions: permessage-deflate')
        assert reply.status == 101
        assert (b'sec-websocket-extensions' in dict(reply.fields)) is offered


@one_loop
async def test_one_application_may_ask_its_clients_for_signs_of_life(document, mounted):
    async with mounted(document, **APPS) as server:
        peer = await open_session(server, '/open')
        for _ in range(2):
            await peer.pong(await peer.pinged())


@one_loop
async def test_one_application_may_be_less_patient(document, mounted):
    async with mounted(document, **APPS) as server:
        peer = await open_session(server, '/brief')
        assert await peer.closed() == (1001, b'idle')
        # It does not answer.
        with pytest.raises(ConnectionResetError):
            await peer.client.rest()
