"""Django by threads and on the loop, Flask, FastAPI and folders, unchanged, side by side in one worker, on real sockets.

`/library` is Django through WSGI, on the host async.test through ASGI; `/notes` and all of notes.test are Flask; the rest
is FastAPI below `/api`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.helpers.side_by_side import (
    APPS,
    LOOP_HOST,
    NOTES_HOST,
    THREADS_HOST,
    browser,
    log_in,
    prepare,
    serving,
    token_in,
)

# Above what Django and Werkzeug keep in memory, and what the server waits for before it takes a thread.
UPLOAD = os.urandom(3_000_000)
SHA256 = hashlib.sha256(UPLOAD).hexdigest()
LINES = ['first True', *(str(number) for number in range(1000))]


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    data = tmp_path_factory.mktemp('library')
    prepare(data)
    return data


@pytest.fixture(scope='module', params=['fast', 'h11'])
def server(request, prepared, tmp_path_factory):
    with serving(prepared, tmp_path_factory.mktemp('served'), request.param) as server:
        yield server
    starts = [line for line in server.lines if line in {'api starts', 'api stops'}]
    assert starts == ['api starts', 'api stops']


@pytest.fixture(params=[THREADS_HOST, LOOP_HOST], ids=['wsgi', 'asgi'])
def django(server, request):
    with browser(server, request.param) as client:
        yield client


@pytest.fixture(params=[(THREADS_HOST, '/notes'), (NOTES_HOST, '')], ids=['path', 'host'])
def flask(server, request):
    host, prefix = request.param
    with browser(server, host) as client:
        client.base_url = client.base_url.join(prefix + '/')
        yield client


@pytest.fixture
def fastapi(server):
    with browser(server) as client:
        client.base_url = client.base_url.join('/api/')
        yield client


def add_book(client, title, content=b''):
    """Through the form of the first page; the number of the book."""
    form = {'title': title, 'csrfmiddlewaretoken': token_in(client.get('/library/'))}
    page = client.post('/library/books', data=form, files={'scan': ('scan.bin', content)} if content else None)
    assert (page.status_code, page.url.path) == (200, '/library/')
    assert f'Added {title}' in page.text
    return int(re.search(rf'id="book-(\d+)"><a href="/library/books/\1/scan">{title}<', page.text)[1])


# ── Django, by threads and on the loop ───────────────────────────────────────────────────────────────────────────────


def test_django_page_and_session(django):
    how = 'asynchronously' if django.headers['host'] == LOOP_HOST else 'by threads'
    for visit in (1, 2, 3):
        assert f'Served {how}, visit {visit}<' in django.get('/library/').text
    assert django.get('/library').text.count('<title>Library<') == 1
    assert django.get('/library/none').status_code == 404


def test_django_form_with_csrf(django):
    django.get('/library/')
    assert django.post('/library/books', data={'title': 'Emma'}).status_code == 403
    forged = {'title': 'Emma', 'csrfmiddlewaretoken': 'a' * 64}
    assert django.post('/library/books', data=forged).status_code == 403
    add_book(django, 'Persuasion')
    form = {'title': 'a' * 101, 'csrfmiddlewaretoken': token_in(django.get('/library/'))}
    assert django.post('/library/books', data=form).json().keys() == {'title'}


def test_django_admin_from_login_to_logout(django):
    page = django.get('/library/admin/')
    wrong = {'username': 'ann', 'password': 'wrong', 'csrfmiddlewaretoken': token_in(page)}
    assert 'Please enter the correct username' in django.post(page.url.path, data=wrong).text
    assert 'Site administration' in log_in(django).text

    page = django.get('/library/admin/library/book/add/')
    form = {'title': 'Emma', '_save': 'Save', 'csrfmiddlewaretoken': token_in(page)}
    page = django.post(page.url.path, data=form, files={'scan': ('emma.txt', b'Emma Woodhouse, handsome')})
    assert page.url.path == '/library/admin/library/book/'
    assert 'was added successfully' in page.text
    number = max(map(int, re.findall(r'/library/admin/library/book/(\d+)/change/', page.text)))
    assert django.get(f'/library/books/{number}/scan').content == b'Emma Woodhouse, handsome'

    delete = f'/library/admin/library/book/{number}/delete/'
    page = django.post(delete, data={'post': 'yes', 'csrfmiddlewaretoken': token_in(django.get(delete))})
    assert 'was deleted successfully' in page.text
    page = django.post('/library/admin/logout/', data={'csrfmiddlewaretoken': token_in(page)})
    assert 'Logged out' in page.text
    assert django.get('/library/admin/').url.path == '/library/admin/login/'


def test_django_static_files_of_the_admin_come_from_the_folder(django):
    page = log_in(django).text + django.get('/library/admin/library/book/add/').text
    files = set(re.findall(r'(?:href|src)="(/library/static/[^"]+)"', page))
    kinds = {django.get(name).headers['content-type'].partition(';')[0] for name in files}
    assert len(files) > 5
    assert kinds == {'text/css', 'text/javascript'}
    for name in files:
        reply = django.get(name)
        assert (reply.status_code, len(reply.content) > 0, 'etag' in reply.headers) == (200, True, True)
        assert 'x-frame-options' not in reply.headers
        assert django.get(name, headers={'If-None-Match': reply.headers['etag']}).status_code == 304
        if django.headers['host'] == THREADS_HOST:
            assert 'immutable' in reply.headers['cache-control']
    assert 'library' not in django.get('/library/static/admin/css/none.css').text
    assert django.get('/library/static/%2e%2e/db.sqlite3').status_code == 404
    assert django.post('/library/static/admin/css/base.css').status_code == 405


def test_django_upload_and_download(django):
    log_in(django)
    number = add_book(django, 'Ulysses', UPLOAD)
    assert django.get(f'/library/books/{number}/digest').text == SHA256
    reply = django.get(f'/library/books/{number}/scan')
    assert reply.content == UPLOAD
    assert reply.headers['content-length'] == str(len(UPLOAD))
    assert reply.headers['content-disposition'].startswith('attachment; filename="scan')


def test_django_download_asks_for_a_login(django):
    assert django.get('/library/books/1/scan').url.path == '/library/admin/login/'


# ── Flask, at a path and at a host ───────────────────────────────────────────────────────────────────────────────────


def test_flask_login_form_and_logout(flask):
    page = flask.get('')
    assert page.url == flask.base_url.join('login')
    assert f'action="{page.url.path}"' in page.text
    assert flask.post('login', data={'user': 'bob', 'password': 'wrong'}).status_code == 403
    assert flask.post('login', data={'user': 'bob', 'password': 'secret'}).json()['user'] == 'bob'
    assert flask.post('notes', data={'text': 'tea & café'}).json() == {
        'user': 'bob',
        'notes': ['tea & café'],
        'said': ['Noted'],
    }
    assert flask.post('logout').url == flask.base_url.join('login')
    assert flask.get('').url == flask.base_url.join('login')


def test_flask_upload(flask):
    reply = flask.post('upload', data={'label': 'é'}, files={'file': ('a.bin', UPLOAD)})
    assert reply.json() == {'name': 'a.bin', 'label': 'é', 'sha256': SHA256}
    assert reply.headers.get('x-served-by', THREADS_HOST) == flask.headers['host']


def test_flask_file(flask):
    content = (APPS / 'notes.py').read_bytes()
    reply = flask.get('file')
    assert (reply.content, int(reply.headers['content-length'])) == (content, len(content))
    assert flask.get('file', headers={'Range': 'bytes=-7'}).content == content[-7:]
    assert flask.get('file', headers={'If-None-Match': reply.headers['etag']}).status_code == 304
    assert flask.head('file').headers['content-length'] == str(len(content))


# ── FastAPI ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_fastapi_pages_know_their_place(fastapi):
    assert fastapi.get('').json() == {'ready': True, 'root': '/api', 'url': f'http://{THREADS_HOST}/api/'}
    assert "url: '/api/openapi.json'" in fastapi.get('docs').text
    assert '/upload' in fastapi.get('openapi.json').json()['paths']


def test_fastapi_login_and_form(fastapi):
    assert fastapi.get('me').status_code == 401
    assert fastapi.post('token', data={'username': 'eve', 'password': 'wrong'}).status_code == 401
    token = fastapi.post('token', data={'username': 'eve', 'password': 'secret'}).json()['access_token']
    assert fastapi.get('me', headers={'Authorization': f'Bearer {token}'}).json() == 'eve'
    assert fastapi.post('form', data={'name': 'é', 'count': '2'}).json() == {'name': 'é', 'count': 2}
    assert fastapi.post('form', data={'name': 'é', 'count': 'two'}).status_code == 422


def test_fastapi_upload_and_download(fastapi):
    reply = fastapi.post('upload', data={'label': 'é'}, files={'file': ('a.bin', UPLOAD)})
    assert reply.json() == {'name': 'a.bin', 'label': 'é', 'sha256': SHA256}
    content = (APPS / 'api.py').read_bytes()
    assert fastapi.get('file').content == content
    assert fastapi.get('file', headers={'Range': 'bytes=0-9'}).content == content[:10]


# ── All together ─────────────────────────────────────────────────────────────────────────────────────────────────────

# Host, the path below which `stream/…` and `open/…` are.
STREAMS = {
    'django-wsgi': (THREADS_HOST, '/library'),
    'django-asgi': (LOOP_HOST, '/library/async'),
    'flask-path': (THREADS_HOST, '/notes'),
    'flask-host': (NOTES_HOST, ''),
    'fastapi': (THREADS_HOST, '/api'),
}
streams = pytest.mark.parametrize('place', STREAMS.values(), ids=STREAMS)


@streams
def test_stream_arrives_as_it_is_made(server, place):
    host, prefix = place
    with browser(server, host) as client, browser(server, host) as other:
        with client.stream('GET', f'{prefix}/stream/whole') as reply:
            lines = reply.iter_lines()
            # The rest is made after this has been read.
            first = next(lines)
            assert other.get(f'{prefix}/open/whole').text == 'open'
            assert [first, *lines] == LINES
        assert reply.headers['transfer-encoding'] == 'chunked'


@streams
def test_stream_is_closed_when_its_client_leaves(server, place, request):
    host, prefix = place
    token = f'left-{request.node.callspec.id}'
    with browser(server, host) as client, browser(server, host) as other:
        with client.stream('GET', f'{prefix}/stream/{token}') as reply:
            assert next(reply.iter_lines()) == LINES[0]
        other.get(f'{prefix}/open/{token}')
        server.wait_for(rf'closes {token}$')


def test_one_browser_is_logged_in_everywhere(server):
    with browser(server) as client:
        log_in(client)
        client.post('/notes/login', data={'user': 'bob', 'password': 'secret'})
        assert {cookie.name: cookie.path for cookie in client.cookies.jar} == {
            'csrftoken': '/',
            'sessionid': '/',
            'session': '/',
        }
        assert 'Site administration' in client.get('/library/admin/').text
        # The two ways into Django share its sessions.
        assert 'Site administration' in client.get('/library/admin/', headers={'Host': LOOP_HOST}).text
        assert client.get('/notes/').json()['user'] == 'bob'
        assert client.get('/elsewhere').status_code == 404


def test_everything_at_once(server):
    def visit(number):
        with browser(server, (THREADS_HOST, LOOP_HOST)[number % 2]) as client:
            for visit in (1, 2):
                assert f'visit {visit}<' in client.get('/library/').text
            book = add_book(client, f'Volume {number}', UPLOAD[: 100_000 * number])
            assert number == 0 or client.get(f'/library/books/{book}/digest').status_code == 200
            form = {'data': {'label': str(number)}, 'files': {'file': ('a', UPLOAD[number:])}}
            wanted = hashlib.sha256(UPLOAD[number:]).hexdigest()
            assert client.post('/api/upload', **form).json()['sha256'] == wanted
            # That host has Django only besides what every host has.
            assert client.get('/library/static/admin/css/base.css').status_code == 200
        with browser(server, NOTES_HOST) as client:
            assert client.post('/upload', **form).json()['label'] == str(number)
            assert client.post('/login', data={'user': str(number), 'password': 'secret'}).json()['user'] == str(number)
        return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(visit, range(16))) == list(range(16))


def test_curl_logs_in_uploads_and_downloads(server, tmp_path):
    base = f'http://{THREADS_HOST}:{server.port}'
    (tmp_path / 'upload').write_bytes(UPLOAD)

    def curl(path, *words):
        command = ['curl', '-sS', '--fail', '--max-time', '30', '--resolve', f'{THREADS_HOST}:{server.port}:127.0.0.1']
        command += ['--cookie', 'jar', '--cookie-jar', 'jar', '--location', *words, base + path]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout

    def token(path):
        return re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', curl(path))[1].decode()

    login = token('/library/admin/')
    words = ['--data', f'username=ann&password=secret&csrfmiddlewaretoken={login}&next=/library/admin/']
    assert b'Site administration' in curl('/library/admin/login/', *words)
    words = ['--form', 'title=Middlemarch', '--form', f'csrfmiddlewaretoken={token("/library/")}']
    page = curl('/library/books', *words, '--form', 'scan=@upload', '--header', 'Expect: 100-continue')
    number = re.search(rb'/library/books/(\d+)/scan">Middlemarch', page)[1].decode()
    assert curl(f'/library/books/{number}/scan') == UPLOAD
    curl('/notes/login', '--data', 'user=bob&password=secret')
    for prefix in ('/notes', '/api'):
        told = json.loads(curl(f'{prefix}/upload', '--form', 'file=@upload', '--form', 'label=x'))
        assert told == {'name': 'upload', 'label': 'x', 'sha256': SHA256}
        assert curl(f'{prefix}/file', '--range', '3-8') == curl(f'{prefix}/file')[3:9]
    assert json.loads(curl('/notes/'))['user'] == 'bob'
