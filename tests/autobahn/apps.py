"""Applications that send every message back, for the fuzzing client to talk to."""

from __future__ import annotations


async def asgi(scope, receive, send):
    if scope['type'] == 'lifespan':
        while True:
            message = await receive()
            await send({'type': message['type'] + '.complete'})
            if message['type'] == 'lifespan.shutdown':
                return
    await receive()
    await send({'type': 'websocket.accept'})
    while (message := await receive())['type'] != 'websocket.disconnect':
        await send({**message, 'type': 'websocket.send'})


class Echo:
    async def __rsgi__(self, scope, protocol):
        transport = await protocol.accept()
        while (message := await transport.receive()).kind:
            await (transport.send_bytes if message.kind == 1 else transport.send_str)(message.data)


rsgi = Echo()
