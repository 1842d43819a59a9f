"""ASGI without a framework: one function for each thing that a process must survive, by the path."""

from __future__ import annotations

import asyncio
import os
import sys

calls = {}


def call(function):
    calls[f'/{function.__name__}'] = function
    return function


async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        return await lifespan(receive, send)
    return await calls[scope['path']](scope, receive, send)


async def hanging(scope, receive, send):
    """Like `app`, but never done with its shutdown."""
    if scope['type'] != 'lifespan':
        return await answer(send)
    await receive()
    await send({'type': 'lifespan.startup.complete'})
    await receive()
    say('shutting down')
    return await asyncio.Event().wait()


def say(text):
    # In one piece, although other workers write too.
    os.write(1, f'{text}\n'.encode())


async def lifespan(receive, send):
    for kind in ('startup', 'shutdown'):
        await receive()
        say(f'{kind} {os.getpid()}')
        await send({'type': f'lifespan.{kind}.complete'})


async def answer(send, body=b'', headers=(), **more):
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers, **more})
    await send({'type': 'http.response.body', 'body': body})


@call
async def pid(scope, receive, send):
    await answer(send, b'%d' % os.getpid())


@call
async def system_exit(scope, receive, send):
    sys.exit(3)


@call
async def interrupt(scope, receive, send):
    raise KeyboardInterrupt


@call
async def cancelled(scope, receive, send):
    raise asyncio.CancelledError


@call
async def none(scope, receive, send):
    pass


@call
async def broken(scope, receive, send):
    """A body cut in the middle."""
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': b'some', 'more_body': True})
    raise ValueError('as asked')


@call
async def echo(scope, receive, send):
    await send({'type': 'http.response.start', 'status': 200})
    while True:
        message = await receive()
        await send({'type': 'http.response.body', 'body': message['body'], 'more_body': message['more_body']})
        if not message['more_body']:
            return


@call
async def trailers(scope, receive, send):
    await answer(send, b'body', [(b'trailer', b'x-sum')], trailers=True)
    await send({'type': 'http.response.trailers', 'headers': [(b'x-sum', b'42')]})


@call
async def hints(scope, receive, send):
    await send({'type': 'http.response.early_hint', 'links': [b'</a.css>; rel=preload']})
    await answer(send, b'hinted')


@call
async def refuse(scope, receive, send):
    """An answer, and none of the body read."""
    await send({'type': 'http.response.start', 'status': 403})
    await send({'type': 'http.response.body', 'body': b'refused'})
