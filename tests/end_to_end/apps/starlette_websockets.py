"""WebSockets as Starlette's documentation writes them."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

everybody = []
ends = []


async def echo(websocket):
    await websocket.accept(headers=[(b'x-from', b'starlette')])
    try:
        while True:
            message = await websocket.receive()
            if message['type'] == 'websocket.disconnect':
                raise WebSocketDisconnect(message['code'], message.get('reason'))
            if message.get('text') is not None:
                await websocket.send_text(message['text'])
            else:
                await websocket.send_bytes(message['bytes'])
    except WebSocketDisconnect as end:
        ends.append(f'{end.code} {end.reason}')


async def chat(websocket):
    await websocket.accept(subprotocol='chat' if 'chat' in websocket.scope['subprotocols'] else None)
    everybody.append(websocket)
    try:
        async for text in websocket.iter_text():
            for other in list(everybody):
                await other.send_text(f'{websocket.query_params["name"]}: {text}')
    finally:
        everybody.remove(websocket)


async def denied(websocket):
    await websocket.send_denial_response(PlainTextResponse('members only', status_code=401))


async def forbidden(websocket):
    raise HTTPException(status_code=403)


async def closes(websocket):
    await websocket.accept()
    await websocket.close(code=4003, reason='enough')


async def fails(websocket):
    await websocket.accept()
    raise ValueError('a fault of the application')


async def seen(request):
    return PlainTextResponse('\n'.join(ends))


app = Starlette(
    routes=[
        Route('/ends', seen),
        *(
            WebSocketRoute(f'/{handler.__name__}', handler)
            for handler in (echo, chat, denied, forbidden, closes, fails)
        ),
    ]
)
