"""A FastAPI application: dependencies, threads, models, and the same things the Starlette one does."""

# No `annotations` from __future__: FastAPI wants to see the types of what is local to this file.
import asyncio
import contextlib
import hashlib
import os
import threading
from pathlib import Path
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel

HERE = Path(__file__).parent


def say(text: str) -> None:
    # In one piece, although other workers write too.
    os.write(1, f'{text}\n'.encode())


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.ready = True
    yield {'started_by': os.getpid()}
    say(f'shut down {os.getpid()}')


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float = 1.5


async def session():
    session = {'open': True}
    yield session
    session['open'] = False
    say('session closed')


@app.get('/state')
async def state(request: Request) -> dict:
    return {'pid': request.state.started_by, 'own': request.state.started_by == os.getpid()}


@app.post('/items')
async def create(item: Item, session: Annotated[dict, Depends(session)]) -> dict:
    return {'item': item, 'open': session['open']}


@app.get('/thread')
def in_thread() -> dict:
    return {'main': threading.current_thread() is threading.main_thread()}


@app.get('/stream')
async def stream(pieces: int = 100) -> StreamingResponse:
    async def generate():
        for number in range(pieces):
            yield f'{number}\n'
            await asyncio.sleep(0)

    return StreamingResponse(generate(), media_type='text/plain')


@app.get('/events')
async def events() -> StreamingResponse:
    def generate():
        # Synchronous: Starlette runs it in threads.
        try:
            number = 0
            while True:
                yield f'data: {number}\n\n'
                number += 1
        finally:
            say('events stopped')

    return StreamingResponse(generate(), media_type='text/event-stream')


@app.get('/background')
async def background(tasks: BackgroundTasks, token: str) -> PlainTextResponse:
    tasks.add_task(say, f'background {token}')
    return PlainTextResponse('soon')


@app.get('/disconnect')
async def wait_disconnected(request: Request) -> PlainTextResponse:
    say('waiting')
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    say('disconnected')
    return PlainTextResponse('nobody reads this')


@app.post('/form')
async def form(file: Annotated[UploadFile, File()], note: Annotated[str, Form()]) -> dict:
    digest = hashlib.sha256()
    while piece := await file.read(1024 * 1024):
        digest.update(piece)
    return {'name': file.filename, 'note': note, 'sha256': digest.hexdigest()}


@app.post('/raw')
async def raw(request: Request) -> dict:
    digest, size = hashlib.sha256(), 0
    async for piece in request.stream():
        digest.update(piece)
        size += len(piece)
    return {'size': size, 'sha256': digest.hexdigest()}


@app.get('/file')
async def file() -> FileResponse:
    return FileResponse(HERE / 'fastapi_app.py', media_type='text/x-python')


@app.get('/client')
async def client(request: Request) -> dict:
    return {'client': request.client, 'server': request.scope['server'], 'url': str(request.url)}


@app.get('/fail')
async def fail() -> None:
    raise ValueError('as asked')
