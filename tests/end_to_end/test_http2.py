"""HTTP/2 as programs speak it that others wrote: curl, nghttp, h2load, httpx, Node and Chromium."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from tests.helpers.certificates import Authority
from tests.helpers.http2_client import PREFACE, Peer, settings
from tests.helpers.server import running_server
from tests.helpers.serving import Client

APPS = Path(__file__).parent / 'apps'
PATIENCE_S = 60


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f'{program} is not installed')


class Site:
    """A server with a port in clear and one over TLS, whose certificate `authority` has issued."""

    def __init__(self, server, authority):
        self.server = server
        self.authority = authority
        ports = [int(server.wait_for(r'Listening at: \w+://.*:(\d+)$', count=n).group(1)) for n in (1, 2)]
        self.clear, self.tls = f'http://localhost:{ports[0]}', f'https://localhost:{ports[1]}'


@pytest.fixture(scope='module', params=['fast', 'h2'])
def site(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('site')
    authority = Authority('root')
    certificate, key = authority.issue('localhost').write(folder, 'site')
    root = folder / 'root.pem'
    root.write_text(authority.pem)
    (folder / 'granian.toml').write_text(f"""
[[listeners]]
bind = "127.0.0.1:0"
[[listeners]]
bind = "127.0.0.1:0"
[listeners.tls]
certificate = "{certificate}"
key = "{key}"
[[apps]]
target = "{APPS / 'http2_app.py'}:app"
interface = "asgi"
[http2]
engine = "{request.param}"
""")
    with running_server('serve', '-c', str(folder / 'granian.toml')) as server:
        assert server.wait_for(r'HTTP/2 engine: (\w+)').group(1) == request.param
        yield Site(server, root)


def run(*command, data=None):
    done = subprocess.run(command, capture_output=True, input=data, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def curl(site, *arguments, data=None):
    return run('curl', '-sS', '--cacert', str(site.authority), *arguments, data=data)


@needs('curl')
@pytest.mark.parametrize(
    ('how', 'over_tls', 'version'),
    [
        ('--http2', True, '2'),
        ('--http2', False, '2'),
        ('--http2-prior-knowledge', False, '2'),
        ('--http1.1', True, '1.1'),
        ('--http1.1', False, '1.1'),
    ],
)
def test_curl_gets_the_version_it_asks_for(site, how, over_tls, version):
    url = site.tls if over_tls else site.clear
    seen = json.loads(curl(site, how, f'{url}/seen', '-H', 'cookie: a=1', '-H', 'x-more: é'.encode()))
    assert seen[:2] == [version, 'https' if over_tls else 'http']
    headers = [name for name, _ in seen[3]]
    assert headers.count('host') == headers.count('cookie') == 1
    said = curl(site, how, f'{url}/bytes/1', '-o', '/dev/null', '-w', '%{http_version} %{http_code} %{size_download}')
    assert said.decode() == f'{version} 200 1'


@needs('curl')
@pytest.mark.parametrize('over_tls', [True, False])
def test_curl_uploads_and_downloads_megabytes(site, over_tls, tmp_path):
    content = bytes(range(256)) * 4096 * 8
    url, how = (site.tls, '--http2') if over_tls else (site.clear, '--http2-prior-knowledge')
    assert curl(site, how, f'{url}/echo', '--data-binary', '@-', data=content) == content


@needs('curl')
def test_curl_asks_for_many_at_once_on_one_connection(site):
    targets = [part for number in range(50) for part in (f'{site.tls}/bytes/{number * 100}', '-o', '/dev/null')]
    said = curl(site, '--http2', '--parallel', *targets, '-w', '%{http_version} %{num_connects} %{size_download}\n')
    lines = [line.split() for line in said.decode().splitlines()]
    assert sorted(int(size) for _, _, size in lines) == [number * 100 for number in range(50)]
    assert {version for version, _, _ in lines} == {'2'}
    assert sum(int(connects) for _, connects, _ in lines) == 1


@needs('nghttp')
@pytest.mark.parametrize('how', [(), ('-u',)], ids=['at once', 'h2c'])
def test_nghttp_gets_a_page_and_its_images(site, how):
    said = run('nghttp', '-nv', '--stat', *how, f'{site.clear}/', f'{site.clear}/image/1', f'{site.clear}/image/2')
    assert said.count(b':status: 200') == 3


@needs('h2load')
@pytest.mark.parametrize('over_tls', [True, False])
def test_h2load_loses_no_request(site, over_tls):
    url = site.tls if over_tls else site.clear
    said = run('h2load', '-n2000', '-c10', '-m100', f'{url}/bytes/5000').decode()
    assert 'Application protocol: h2' in said
    assert '2000 succeeded, 0 failed, 0 errored, 0 timeout' in said


def test_httpx_shares_a_connection(site):
    context = ssl.create_default_context(cafile=str(site.authority))
    with httpx.Client(http2=True, verify=context) as client:
        replies = [client.get(f'{site.tls}/bytes/{size}') for size in (0, 1, 100_000)]
        seen = client.get(f'{site.tls}/seen').json()
        echo = client.post(f'{site.tls}/echo', content=iter([b'one', b'two'])).content
    assert {reply.http_version for reply in replies} == {'HTTP/2'}
    assert [len(reply.content) for reply in replies] == [0, 1, 100_000]
    assert seen[0] == '2'
    assert echo == b'onetwo'


NODE = """
const http2 = require('http2'), fs = require('fs');
const session = http2.connect(process.argv[2], {ca: fs.readFileSync(process.argv[3])});
session.on('error', error => { console.error(error); process.exit(1); });
let left = 30, sizes = {};
for (let n = 0; n < 30; n++) {
  const stream = session.request({':method': 'POST', ':path': '/echo'});
  let size = 0;
  stream.on('data', data => size += data.length);
  stream.on('error', error => { console.error(error); process.exit(1); });
  stream.on('end', () => { sizes[n] = size; if (!--left) { console.log(JSON.stringify(sizes)); session.close(); } });
  stream.end(Buffer.alloc(n * 10000));
}
"""


@needs('node')
def test_node_echoes_on_many_streams(site, tmp_path):
    script = tmp_path / 'client.js'
    script.write_text(NODE)
    said = run('node', str(script), site.tls, str(site.authority))
    assert json.loads(said) == {str(number): number * 10000 for number in range(30)}


@needs('chromium')
def test_chromium_loads_a_page_with_200_images_on_one_connection(site, tmp_path):
    command = [
        'chromium', '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--ignore-certificate-errors',
        f'--user-data-dir={tmp_path}', '--virtual-time-budget=30000', '--dump-dom', f'{site.tls}/',
    ]  # fmt: skip
    page = run(*command).decode()
    assert re.search('<title>(.*)</title>', page).group(1) == '200 loaded, 0 failed, h2'


async def ask_until_told(port, began):
    """Keep 20 requests in progress until the server says goodbye; how many were asked and answered."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, ('127.0.0.1', port))
    peer = Peer(Client(sock, loop))
    await peer.send(PREFACE + settings())
    asked = []
    while not peer.goaways:
        asked += [await peer.get('/bytes/1000') for _ in range(20)]
        await peer.reply(asked[-1])
        began.set()
    answers = [await peer.reply(stream) for stream in asked]
    await peer.cut()
    sock.close()
    return len(asked), sum(answer.status == 200 and len(answer.body) == 1000 for answer in answers)


@pytest.mark.parametrize('engine', ['fast', 'h2'])
def test_a_stop_under_load_loses_no_request(engine):
    arguments = ('--interface', 'asgi', '--set', f'http2.engine={engine}', 'http2_app:app')
    with running_server(*arguments, cwd=APPS) as server:
        counts, began = [], [threading.Event() for _ in range(4)]
        clients = [
            threading.Thread(target=lambda event=event: counts.append(asyncio.run(ask_until_told(server.port, event))))
            for event in began
        ]
        for client in clients:
            client.start()
        assert all(event.wait(PATIENCE_S) for event in began)
        server.stop()
        for client in clients:
            client.join()
    assert len(counts) == 4
    assert all(asked == answered for asked, answered in counts)
