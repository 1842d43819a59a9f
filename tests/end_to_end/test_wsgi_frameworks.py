"""Flask and Django applications, unchanged, on real servers, asked by a real client."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.helpers.server import running_server

APPS = Path(__file__).parent / 'apps'
UPLOAD = os.urandom(3_000_000)
DOWNLOAD = os.urandom(5_000_000)
SHA256 = hashlib.sha256(UPLOAD).hexdigest()


def client_of(server):
    return httpx.Client(base_url=f'http://127.0.0.1:{server.port}', timeout=30)


@pytest.fixture(scope='module', params=[('fast', 1), ('h11', 2)], ids=lambda way: '-'.join(map(str, way)))
def way(request):
    engine, workers = request.param
    return [
        '--interface',
        'wsgi',
        '--set',
        f'http1.engine={engine}',
        '--workers',
        str(workers),
        '--blocking-threads',
        '8',
    ]


@pytest.fixture(scope='module')
def flask(way):
    with running_server(*way, 'flask_app:app', cwd=APPS, stray_ok=True) as server, client_of(server) as client:
        yield client


@pytest.fixture(scope='module')
def django(way, tmp_path_factory):
    folder = tmp_path_factory.mktemp('django')
    (folder / 'download').write_bytes(DOWNLOAD)
    env = {'DJANGO_APP_FOLDER': str(folder)}
    subprocess.run([sys.executable, 'django_app.py'], cwd=APPS, env={**os.environ, **env}, check=True)
    with (
        running_server(*way, 'django_app:app', cwd=APPS, env=env, stray_ok=True) as server,
        client_of(server) as client,
    ):
        yield client


# ── Flask ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_flask_page(flask):
    assert flask.get('/?a=b').json() == {'path': '/', 'root': '', 'url': f'{flask.base_url}/?a=b', 'user': None}


def test_flask_form_and_session(flask):
    with httpx.Client(base_url=flask.base_url) as client:
        reply = client.post('/login', data={'user': 'ann'})
        assert (reply.status_code, reply.headers['location']) == (302, '/')
        assert client.get('/').json()['user'] == 'ann'


@pytest.mark.parametrize('chunked', [False, True])
def test_flask_body(flask, chunked):
    body = UPLOAD[:700_000]
    reply = flask.post('/echo', content=(body[at : at + 9999] for at in range(0, len(body), 9999)) if chunked else body)
    assert reply.content == body


def test_flask_upload(flask):
    assert flask.post('/upload', files={'file': ('a.bin', UPLOAD)}).json() == {'name': 'a.bin', 'sha256': SHA256}


def test_flask_stream(flask):
    with flask.stream('GET', '/stream?count=1000') as reply:
        assert list(reply.iter_lines()) == [str(n) for n in range(1000)]
    assert reply.headers['transfer-encoding'] == 'chunked'


def test_flask_file(flask):
    content = (APPS / 'flask_app.py').read_bytes()
    whole = flask.get('/file')
    assert (whole.content, int(whole.headers['content-length'])) == (content, len(content))
    part = flask.get('/file', headers={'Range': 'bytes=10-19'})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert flask.get('/file', headers={'If-None-Match': whole.headers['etag']}).status_code == 304
    assert flask.head('/file').headers['content-length'] == whole.headers['content-length']


def test_flask_errors(flask):
    assert flask.get('/fail').status_code == 500
    assert flask.get('/none').status_code == 404
    assert flask.post('/').status_code == 405
    reply = flask.get('/teapot')
    assert (reply.status_code, reply.reason_phrase) == (418, "I'M A TEAPOT")
    assert flask.get('/exit').status_code == 500
    assert flask.get('/').status_code == 200


def test_flask_requests_that_wait_run_side_by_side(flask):
    with ThreadPoolExecutor(8) as pool:
        before = time.monotonic()
        names = set(pool.map(lambda _: flask.get('/slow?s=0.5').text, range(8)))
    assert time.monotonic() - before < 3
    assert len(names) > 2


def test_flask_under_a_prefix():
    arguments = ['--interface', 'wsgi', '--url-path-prefix', '/shop', 'flask_app:app']
    with running_server(*arguments, cwd=APPS) as server, client_of(server) as client:
        facts = client.get('/shop/').json()
        assert (facts['path'], facts['root'], facts['url']) == ('/', '/shop', f'{client.base_url}/shop/')
        assert client.get('/').status_code == 404
        assert client.get('/shopping').status_code == 404


def test_flask_in_wsgiref_validate_under_concurrent_load():
    def ask(n):
        body = b'%d' % n * n
        return client.post('/echo', content=body).content == body and client.get(f'/?n={n}').json()['path'] == '/'

    with running_server('--interface', 'wsgi', '--blocking-threads', '8', 'flask_app:validated', cwd=APPS) as server:
        with client_of(server) as client, ThreadPoolExecutor(16) as pool:
            assert all(pool.map(ask, range(400)))
            assert client.get('/stream').text.endswith('9\n')
            assert client.head('/').status_code == 200
        assert not [line for line in server.lines if 'Error' in line or 'Warning' in line]


# ── Django ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_django_session(django):
    with httpx.Client(base_url=django.base_url) as client:
        assert [client.get('/').json()['visits'] for _ in range(3)] == [1, 2, 3]


def test_django_form_with_csrf(django):
    with httpx.Client(base_url=django.base_url) as client:
        token = client.get('/').json()['token']
        assert client.post('/form', data={'name': 'ann'}).status_code == 403
        reply = client.post('/form', data={'name': 'ann', 'csrfmiddlewaretoken': token})
        assert reply.text == 'hello ann'


def test_django_admin_login(django):
    with httpx.Client(base_url=django.base_url, follow_redirects=True) as client:
        page = client.get('/admin/')
        assert page.url.path == '/admin/login/'
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
        login = {'username': 'root', 'password': 'secret', 'csrfmiddlewaretoken': token, 'next': '/admin/'}
        page = client.post('/admin/login/', data=login)
        assert 'Site administration' in page.text
        assert 'root@example.com' in client.get('/admin/auth/user/').text


def test_django_static_files(django):
    style = django.get('/static/admin/css/base.css')
    assert style.headers['content-type'] == 'text/css'
    assert len(style.content) == int(style.headers['content-length']) > 10_000


@pytest.mark.parametrize('size', [1000, len(UPLOAD)])
def test_django_upload(django, size):
    body = UPLOAD[:size]
    with httpx.Client(base_url=django.base_url, timeout=30) as client:
        token = client.get('/').json()['token']
        reply = client.post('/upload', files={'file': ('a.bin', body)}, headers={'X-CSRFToken': token})
        wanted = {'name': 'a.bin', 'size': size, 'sha256': hashlib.sha256(body).hexdigest()}
        assert json.loads(reply.text) == wanted


def test_django_stream(django):
    with django.stream('GET', '/stream') as reply:
        assert list(reply.iter_lines()) == [str(n) for n in range(1000)]


def test_django_download(django):
    reply = django.get('/download')
    assert reply.content == DOWNLOAD
    assert reply.headers['content-length'] == str(len(DOWNLOAD))
    assert 'attachment' in reply.headers['content-disposition']


def test_django_errors(django):
    assert django.get('/fail').status_code == 500
    assert django.get('/none').status_code == 404
    assert django.get('/').status_code == 200


def test_django_under_concurrent_load(django):
    def ask(n):
        with httpx.Client(base_url=django.base_url, timeout=30) as client:
            return [client.get('/').json()['visits'] for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(16))) == [[1, 2, 3]] * 16
