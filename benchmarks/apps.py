"""The applications every server is measured with, chosen by path; the servers run in this directory (`apps:app`)."""

from __future__ import annotations

from pathlib import Path

BODIES = {
    '/10b': b'0123456789',
    '/1k': b'x' * 1024,
    '/10k': b'x' * 10 * 1024,
    '/50k': b'x' * 50 * 1024,
    '/100k': b'x' * 100 * 1024,
    '/1m': b'x' * 1024 * 1024,
}
# Made by the harness, with these bodies.
FILES = {path: f'{Path(__file__).resolve().parent}/.peers/files{path}' for path in BODIES}
TYPE = (b'content-type', b'text/plain; charset=utf-8')
STARTS = {
    path: {'type': 'http.response.start', 'status': 200, 'headers': [TYPE, (b'content-length', b'%d' % len(body))]}
    for path, body in BODIES.items()
}
ANSWERS = {path: {'type': 'http.response.body', 'body': body} for path, body in BODIES.items()}
# The `send` of each session of a broadcast.
everybody = set()


async def get(path, send):
    """Answer the fixed body of `path`."""
    await send(STARTS[path])
    await send(ANSWERS[path])


async def send_path(path, send):
    """Answer the file of `path`."""
    await send({'type': 'http.response.start', 'status': 200, 'headers': [TYPE]})
    await send({'type': 'http.response.pathsend', 'path': FILES[path]})


async def echo(receive, send):
    """Take the body as it streams in, to its end, and answer it in one piece."""
    message = await receive()
    chunks = [message['body']]
    while message.get('more_body', False):
        message = await receive()
        chunks.append(message['body'])
    body = b''.join(chunks)
    await send(
        {'type': 'http.response.start', 'status': 200, 'headers': [TYPE, (b'content-length', b'%d' % len(body))]}
    )
    await send({'type': 'http.response.body', 'body': body})


async def echo_messages(receive, send):
    """Send every message back."""
    await receive()
    await send({'type': 'websocket.accept'})
    while True:
        message = await receive()
        if message['type'] == 'websocket.disconnect':
            return
        await send({'type': 'websocket.send', 'text': message['text']})


async def broadcast(receive, send):
    """Send every message to everybody who is here."""
    await receive()
    await send({'type': 'websocket.accept'})
    everybody.add(send)
    try:
        while True:
            message = await receive()
            if message['type'] == 'websocket.disconnect':
                return
            answer = {'type': 'websocket.send', 'text': message['text']}
            for send_to in tuple(everybody):
                await send_to(answer)
    finally:
        everybody.discard(send)


async def lifespan(receive, send):
    """Accept startup and shutdown with nothing to do."""
    while True:
        message = await receive()
        await send({'type': message['type'] + '.complete'})
        if message['type'] == 'lifespan.shutdown':
            return


async def app(scope, receive, send):
    """ASGI 3: `/10b`, `/1k`, … answer fixed bodies, `/path/…` the same from a file, every other path echoes."""
    if scope['type'] == 'lifespan':
        await lifespan(receive, send)
    elif scope['type'] == 'websocket':
        await (broadcast if scope['path'] == '/broadcast' else echo_messages)(receive, send)
    elif scope['path'] in BODIES:
        await get(scope['path'], send)
    elif scope['path'].startswith('/path'):
        await send_path(scope['path'].removeprefix('/path'), send)
    else:
        await echo(receive, send)
