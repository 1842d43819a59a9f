"""Sends as many pieces of 64 KiB as the query says, to whoever opens a session; ASGI and RSGI."""

PIECE = bytes(65536)


async def asgi(scope, receive, send):
    assert scope['type'] == 'websocket'
    await receive()
    await send({'type': 'websocket.accept'})
    for _ in range(int(scope['query_string'])):
        await send({'type': 'websocket.send', 'bytes': PIECE})


async def rsgi(scope, protocol):
    transport = await protocol.accept()
    for _ in range(int(scope.query_string)):
        await transport.send_bytes(PIECE)
