"""A Starlette application that uses what frameworks use of a server. What it does is told on standard output."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from starlette.requests import Request

HERE = Path(__file__).parent


def say(text: str) -> None:
    # In one piece, although other workers write too.
    os.write(1, f'{text}\n'.encode())


@contextlib.asynccontextmanager
async def lifespan(app: Starlette):
    yield {'started_by': os.getpid(), 'requests': [0]}
    say(f'shut down {os.getpid()}')


async def state(request: Request) -> JSONResponse:
    request.state.requests[0] += 1
    return JSONResponse({'pid': request.state.started_by, 'own': request.state.started_by == os.getpid()})


async def stream(request: Request) -> StreamingResponse:
    async def pieces():
        for number in range(int(request.query_params.get('pieces', '100'))):
            yield f'{number}\n'
            await asyncio.sleep(0)

    return StreamingResponse(pieces(), media_type='text/plain')


async def events(request: Request) -> StreamingResponse:
    """Endless; says when it is told to stop."""

    async def pieces():
        try:
            number = 0
            while True:
                yield f'data: {number}\n\n'
                number += 1
                await asyncio.sleep(0.01)
        finally:
            say('events stopped')

    return StreamingResponse(pieces(), media_type='text/event-stream')


async def background(request: Request) -> PlainTextResponse:
    async def later():
        await asyncio.sleep(0.05)
        say(f'background {request.query_params["token"]}')

    return PlainTextResponse('soon', background=BackgroundTask(later))


async def wait_disconnected(request: Request) -> PlainTextResponse:
    say('waiting')
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    say('disconnected')
    return PlainTextResponse('nobody reads this')


async def form(request: Request) -> JSONResponse:
    """A multipart upload."""
    async with request.form() as fields:
        digest = hashlib.sha256()
        while piece := await fields['file'].read(1024 * 1024):
            digest.update(piece)
        return JSONResponse({'name': fields['file'].filename, 'note': fields['note'], 'sha256': digest.hexdigest()})


async def raw(request: Request) -> JSONResponse:
    """An upload as it comes."""
    digest, size = hashlib.sha256(), 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
    return JSONResponse({'size': size, 'sha256': digest.hexdigest()})


async def file(request: Request) -> FileResponse:
    return FileResponse(HERE / 'starlette_app.py', media_type='text/x-python')


async def client(request: Request) -> JSONResponse:
    return JSONResponse({'client': request.client, 'server': request.scope['server'], 'url': str(request.url)})


async def fail(request: Request) -> PlainTextResponse:
    raise ValueError('as asked')


class Counted(BaseHTTPMiddleware):
    """Runs the application in a task group of anyio's."""

    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers['x-middleware'] = 'passed'
        return response


def routes():
    return [
        Route('/state', state),
        Route('/stream', stream),
        Route('/events', events),
        Route('/background', background),
        Route('/disconnect', wait_disconnected),
        Route('/form', form, methods=['POST']),
        Route('/raw', raw, methods=['POST']),
        Route('/file', file),
        Route('/client', client),
        Route('/fail', fail),
        Mount('/static', StaticFiles(directory=HERE)),
    ]


app = Starlette(
    lifespan=lifespan,
    routes=[
        *routes(),
        Mount('/wrapped', routes=routes(), middleware=[Middleware(Counted)]),
    ],
)
