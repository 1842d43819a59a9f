"""ASGI messages by name, and applications that send them."""

from __future__ import annotations

import asyncio

from tests.helpers.serving import answer

FLOW = 'ASGI flow error: '
STARTED = FLOW + 'Response already started'
FINISHED = FLOW + 'Response already finished'
NOT_STARTED = FLOW + 'Response not started'
CLOSED = FLOW + 'Transport closed'
UNSUPPORTED = 'Unsupported ASGI message'

START = {'type': 'http.response.start', 'status': 200, 'headers': []}
BODY = {'type': 'http.response.body', 'body': b'ok'}
MORE = {'type': 'http.response.body', 'body': b'ok', 'more_body': True}
TRAILERS = {'type': 'http.response.trailers', 'headers': []}
HINT = {'type': 'http.response.early_hint', 'links': []}
PATH = {'type': 'http.response.pathsend', 'path': '/nowhere'}


class Sender:
    """Sends the messages; keeps what the last of them raised."""

    def __init__(self, *messages):
        self.messages = messages
        self.error = None

    async def __call__(self, scope, receive, send):
        *before, last = self.messages
        for message in before:
            await send(message)
        try:
            await send(last)
        except Exception as error:
            self.error = error
            raise


async def raised_by(serve, *messages, **options):
    """The text the last message raises, the reply, None where it was cut, and the exception."""
    sender = Sender(*messages)

    async def app(scope, receive, send):
        if scope['path'] == '/next':
            await answer(send, b'next')
        else:
            await sender(scope, receive, send)

    async with serve(app, **options) as server:
        client = await server.connect()
        await client.get()
        try:
            reply = await client.reply()
            await client.get('/next')
            assert (await client.reply()).body == b'next'
        except (asyncio.IncompleteReadError, ConnectionError):
            reply = None
    return str(sender.error), reply, sender.error


class Stepper:
    """Sends one message each time the test says so."""

    def __init__(self, *messages):
        self.messages = messages
        self.steps = asyncio.Queue()
        self.done = asyncio.Queue()

    async def __call__(self, scope, receive, send):
        for message in self.messages:
            await self.steps.get()
            await send(message)
            self.done.put_nowait(None)
        await self.steps.get()

    async def step(self):
        self.steps.put_nowait(None)
        await self.done.get()

    def end(self):
        self.steps.put_nowait(None)
