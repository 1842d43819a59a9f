"""What answers over HTTP/1.1 answers over HTTP/2: RSGI, WSGI, files, ranges, large files."""

from __future__ import annotations

import httpx
import pytest

from tests.helpers.server import running_server

RSGI = """
async def app(scope, protocol):
    if scope.path.endswith('/file'):
        protocol.response_file(200, [], scope.headers.get('x-file'))
    elif scope.path.endswith('/stream'):
        transport = protocol.response_stream(200, [('content-type', 'text/plain')])
        for number in range(100):
            await transport.send_bytes(b'x' * 10_000)
    else:
        body = await protocol()
        said = f'{scope.http_version} {scope.scheme} {scope.method} {scope.authority} {len(body)}'
        protocol.response_str(200, [], said)
"""
WSGI = """
def app(environ, start_response):
    body = environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    names = ('SERVER_PROTOCOL', 'wsgi.url_scheme', 'REQUEST_METHOD', 'HTTP_HOST', 'HTTP_COOKIE')
    return [' '.join([*(environ.get(name, '-') for name in names), str(len(body))]).encode()]
"""
CONTENT = bytes(range(256)) * 4096 * 3


@pytest.fixture(scope='module', params=['fast', 'h2'])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('site')
    (folder / 'rsgi_app.py').write_text(RSGI)
    (folder / 'wsgi_app.py').write_text(WSGI)
    (folder / 'files').mkdir()
    (folder / 'files' / 'large.bin').write_bytes(CONTENT)
    (folder / 'files' / 'small.txt').write_text('small')
    (folder / 'granian.toml').write_text(f"""
[[listeners]]
bind = "127.0.0.1:0"
http = "2"
[[apps]]
target = "{folder}/rsgi_app.py:app"
interface = "rsgi"
path = "/rsgi"
[[apps]]
target = "{folder}/wsgi_app.py:app"
interface = "wsgi"
path = "/wsgi"
[[static]]
directory = "files"
path = "/files"
[http2]
engine = "{request.param}"
""")
    with running_server('serve', '-c', str(folder / 'granian.toml')) as running:
        running.folder = folder
        yield running


@pytest.fixture
def client(server):
    with httpx.Client(http1=False, http2=True, base_url=f'http://127.0.0.1:{server.port}', timeout=60) as client:
        yield client


def test_rsgi(server, client):
    host = f'127.0.0.1:{server.port}'
    assert client.post('/rsgi/a', content=b'x' * 200_000).text == f'2 http POST {host} 200000'
    assert client.get('/rsgi/stream').content == b'x' * 1_000_000
    path = str(server.folder / 'files' / 'large.bin')
    assert client.get('/rsgi/file', headers={'x-file': path}).content == CONTENT


def test_wsgi(server, client):
    host = f'127.0.0.1:{server.port}'
    reply = client.post('/wsgi/a', content=b'x' * 200_000, headers=[('cookie', 'a=1'), ('cookie', 'b=2')])
    assert reply.text == f'HTTP/2 http POST {host} a=1; b=2 200000'


def test_files_whole_and_in_part(client):
    assert client.get('/files/large.bin').content == CONTENT
    head = client.head('/files/large.bin')
    assert (head.headers['content-length'], head.content) == (str(len(CONTENT)), b'')
    part = client.get('/files/large.bin', headers={'range': 'bytes=1000000-1999999'})
    assert (part.status_code, part.content) == (206, CONTENT[1_000_000:2_000_000])
    small = client.get('/files/small.txt')
    again = client.get('/files/small.txt', headers={'if-none-match': small.headers['etag']})
    assert (again.status_code, again.content) == (304, b'')
    assert client.get('/files/none').status_code == 404
    assert client.post('/files/small.txt').status_code == 405
    assert {reply.http_version for reply in (head, part, small, again)} == {'HTTP/2'}
