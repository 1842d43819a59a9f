"""What only one of the frameworks does, or what ends in a traceback."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.helpers.server import running_server

APPS = Path(__file__).parent / 'apps'


@pytest.fixture(params=['fast', 'h11'], scope='module')
def engine(request):
    return request.param


def serving(framework, engine):
    arguments = ('--interface', 'asgi', '--set', f'http1.engine={engine}', f'{framework}_app:app')
    return running_server(*arguments, cwd=APPS, stray_ok=True)


@pytest.fixture(scope='module')
def starlette(engine):
    with serving('starlette', engine) as server:
        yield server


@pytest.fixture(scope='module')
def fastapi(engine):
    with serving('fastapi', engine) as server:
        yield server


@pytest.fixture
def ask(request):
    """A client of the server that the test's module fixture runs."""
    name = next(name for name in ('starlette', 'fastapi') if name in request.fixturenames)
    server = request.getfixturevalue(name)
    with httpx.Client(base_url=f'http://127.0.0.1:{server.port}', timeout=20) as client:
        yield client


# ── Starlette ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_middleware_that_runs_the_application_in_a_task_group(starlette, ask):
    response = ask.get('/wrapped/stream', params={'pieces': 50})
    assert response.headers['x-middleware'] == 'passed'
    assert response.text.split() == [str(number) for number in range(50)]
    assert ask.get('/wrapped/background', params={'token': 'wrapped'}).text == 'soon'
    starlette.wait_for('background wrapped$')


def test_middleware_passes_a_disconnect_on(starlette, ask):
    stopped = sum('events stopped' in line for line in starlette.lines)
    with ask.stream('GET', '/wrapped/events') as response:
        assert next(response.iter_lines()) == 'data: 0'
    starlette.wait_for('events stopped', count=stopped + 1)


def test_static_files_of_the_framework(starlette, ask):
    response = ask.get('/static/fastapi_app.py')
    assert response.content == (APPS / 'fastapi_app.py').read_bytes()
    unchanged = ask.get('/static/fastapi_app.py', headers={'if-none-match': response.headers['etag']})
    assert (unchanged.status_code, unchanged.content) == (304, b'')
    part = ask.get('/static/fastapi_app.py', headers={'range': 'bytes=5-9'})
    assert (part.status_code, part.content) == (206, response.content[5:10])
    assert ask.get('/static/nothing').status_code == 404


@pytest.mark.parametrize('path', ['/fail', '/wrapped/fail'])
def test_an_exception_is_a_500_with_a_traceback_in_the_log(starlette, ask, path):
    assert ask.get(path).status_code == 500
    starlette.wait_for('Application callable raised an exception')
    starlette.wait_for('ValueError: as asked')
    assert ask.get('/state').status_code == 200


# ── FastAPI ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_models_and_dependencies_with_an_end(fastapi, ask):
    closed = sum('session closed' in line for line in fastapi.lines)
    assert ask.post('/items', json={'name': 'tea'}).json() == {'item': {'name': 'tea', 'price': 1.5}, 'open': True}
    fastapi.wait_for('session closed', count=closed + 1)
    assert ask.post('/items', json={'price': 1}).status_code == 422


def test_endpoints_in_threads(fastapi, ask):
    assert ask.get('/thread').json() == {'main': False}


def test_an_exception_is_a_500(fastapi, ask):
    assert ask.get('/fail').status_code == 500
    assert ask.get('/openapi.json').status_code == 200


def test_100_clients_at_once(fastapi):
    async def ask_all():
        async with httpx.AsyncClient(base_url=f'http://127.0.0.1:{fastapi.port}', timeout=20) as client:
            return await asyncio.gather(*[client.get(f'/stream?pieces={number}') for number in range(100)])

    assert [response.text.count('\n') for response in asyncio.run(ask_all())] == list(range(100))
