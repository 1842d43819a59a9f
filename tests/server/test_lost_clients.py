"""Applications that send without ever waiting for anything else: everybody else has a turn, and a reset ends them."""

from __future__ import annotations

import asyncio

import pytest

from granian.errors import ClientDisconnected
from tests.helpers.serving import PATIENCE_S

# Without an end to it such an application would keep the loop for itself for good.
SENDS_MAX = 10_000
PLAIN = b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
OPENING = (
    b'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
    b'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
)
HTTP = [
    {'type': 'http.response.start', 'status': 200, 'headers': []},
    {'type': 'http.response.body', 'body': b'x', 'more_body': True},
]
PIECE = {'type': 'http.response.body', 'body': b'x' * 100, 'more_body': True}
MESSAGE = {'type': 'websocket.send', 'text': 'x' * 100}


class Sender:
    """Begins, has the client reset the connection, and counts what it can send after that."""

    def __init__(self, beginning, piece) -> None:
        self._beginning, self._piece = beginning, piece
        self.client = None
        self.sent = asyncio.get_running_loop().create_future()

    async def __call__(self, scope, receive, send):
        for message in self._beginning:
            await send(message)
        self.client.reset()
        sent = 0
        try:
            while sent < SENDS_MAX:
                await send(self._piece)
                sent += 1
        except ClientDisconnected:
            pass
        self.sent.set_result(sent)


@pytest.mark.parametrize(
    ('request_bytes', 'beginning', 'piece'),
    [(PLAIN, HTTP, PIECE), (OPENING, [{'type': 'websocket.accept'}], MESSAGE)],
    ids=['http', 'websocket'],
)
async def test_sending_ends_soon_after_a_reset(serve, request_bytes, beginning, piece):
    sender = Sender(beginning, piece)
    async with serve(sender) as server:
        sender.client = await server.connect()
        await sender.client.send(request_bytes)
        assert await asyncio.wait_for(sender.sent, PATIENCE_S) < SENDS_MAX


class Selfish:
    """Sends until something else has had a turn."""

    def __init__(self, beginning, piece) -> None:
        self._beginning, self._piece = beginning, piece
        self.sent = asyncio.get_running_loop().create_future()

    async def __call__(self, scope, receive, send):
        for message in self._beginning:
            await send(message)
        turn = asyncio.Event()
        asyncio.get_running_loop().call_soon(turn.set)
        sent = 0
        while sent < SENDS_MAX and not turn.is_set():
            await send(self._piece)
            sent += 1
        self.sent.set_result(sent)


@pytest.mark.parametrize(
    ('request_bytes', 'beginning', 'piece'),
    [
        (PLAIN, HTTP, {**PIECE, 'body': b'x'}),
        (OPENING, [{'type': 'websocket.accept'}], {'type': 'websocket.send', 'text': 'x'}),
    ],
    ids=['http', 'websocket'],
)
async def test_others_have_a_turn(serve, request_bytes, beginning, piece):
    selfish = Selfish(beginning, piece)
    async with serve(selfish) as server:
        client = await server.connect()
        await client.send(request_bytes)
        assert await asyncio.wait_for(selfish.sent, PATIENCE_S) < SENDS_MAX
