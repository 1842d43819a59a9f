"""The same answer at once, whatever is sent, or only when all of it was taken, and a little later."""

from __future__ import annotations

import asyncio


async def answer(send):
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'11')]})
    await send({'type': 'http.response.body', 'body': b'hello world'})


async def quick(scope, receive, send):
    if scope['type'] == 'http':
        await answer(send)


async def thorough(scope, receive, send):
    if scope['type'] != 'http':
        return
    while True:
        message = await receive()
        if message['type'] == 'http.disconnect':
            return
        if not message['more_body']:
            break
    await asyncio.sleep(0.01)
    await answer(send)
