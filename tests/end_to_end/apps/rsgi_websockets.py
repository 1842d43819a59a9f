"""RSGI: an echo."""


async def app(scope, protocol):
    if scope.proto != 'ws':
        protocol.response_str(200, [], 'plain')
        return
    transport = await protocol.accept()
    while (message := await transport.receive()).kind:
        if message.kind == 1:
            await transport.send_bytes(message.data)
        else:
            await transport.send_str(message.data)
