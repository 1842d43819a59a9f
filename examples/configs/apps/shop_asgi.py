"""Two ASGI applications with lifespans: each says its name, where it is mounted and what it was asked for."""


def application(name):
    async def app(scope, receive, send):
        if scope['type'] == 'lifespan':
            while (await receive())['type'] != 'lifespan.shutdown':
                print(f'{name} starts', flush=True)
                await send({'type': 'lifespan.startup.complete'})
            print(f'{name} stops', flush=True)
            await send({'type': 'lifespan.shutdown.complete'})
            return
        body = f'{name} {scope["root_path"]!r} {scope["path"]!r}\n'.encode()
        headers = [(b'content-type', b'text/plain; charset=utf-8'), (b'content-length', b'%d' % len(body))]
        await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
        await send({'type': 'http.response.body', 'body': body})

    return app


shop = application('shop')
admin = application('admin')
