"""The smallest ASGI application: one text for every request."""


async def app(scope, receive, send):
    if scope['type'] != 'http':
        raise RuntimeError(f'{scope["type"]} is not spoken here')
    body = b'Hello from granian\n'
    headers = [(b'content-type', b'text/plain; charset=utf-8'), (b'content-length', b'%d' % len(body))]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})


def create_app():
    """For `factory = true`."""
    return app
