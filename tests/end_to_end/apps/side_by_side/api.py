"""A FastAPI application as people write them: lifespan, token login, form, upload, stream, file."""

# No `annotations` from __future__: FastAPI wants to see the types of what is local to this file.
import asyncio
import contextlib
import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm

gates = defaultdict(asyncio.Event)
bearer = OAuth2PasswordBearer(tokenUrl='token')


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI):
    print('api starts')
    yield {'ready': True}
    print('api stops')


app = FastAPI(lifespan=lifespan)


@app.get('/')
async def index(request: Request) -> dict:
    return {'ready': request.state.ready, 'root': request.scope['root_path'], 'url': str(request.url)}


@app.post('/token')
async def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict:
    if form.password != 'secret':
        raise HTTPException(401, 'no')
    return {'access_token': f'token of {form.username}', 'token_type': 'bearer'}


@app.get('/me')
def me(token: Annotated[str, Depends(bearer)]) -> str:
    return token.removeprefix('token of ')


@app.post('/form')
async def form(name: Annotated[str, Form()], count: Annotated[int, Form()]) -> dict:
    return {'name': name, 'count': count}


@app.post('/upload')
async def upload(file: Annotated[UploadFile, File()], label: Annotated[str, Form()]) -> dict:
    digest = hashlib.sha256()
    while piece := await file.read(65536):
        digest.update(piece)
    return {'name': file.filename, 'label': label, 'sha256': digest.hexdigest()}


@app.get('/stream/{token}')
async def stream(token: str) -> StreamingResponse:
    async def lines():
        try:
            yield 'first True\n'
            await asyncio.wait_for(gates[token].wait(), 30)
            for number in range(1000):
                yield f'{number}\n'
        finally:
            print(f'api closes {token}')

    return StreamingResponse(lines(), media_type='text/plain')


@app.get('/open/{token}')
async def opened(token: str) -> PlainTextResponse:
    gates[token].set()
    return PlainTextResponse('open')


@app.get('/file')
async def file() -> FileResponse:
    return FileResponse(Path(__file__), filename='api.py')
