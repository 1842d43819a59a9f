"""nginx and HAProxy in front: what they say of the client arrives, what the client invents does not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time

import pytest

from tests.helpers.certificates import Authority
from tests.helpers.server import running_server

APP = """
import json

async def app(scope, receive, send):
    host = dict(scope['headers']).get(b'host', b'').decode()
    told = [scope['client'], scope['scheme'], host, scope['server'], scope['root_path'], scope['path']]
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': json.dumps(told).encode()})
"""
PATIENCE_S = 20
SPOOFED = (
    'X-Forwarded-For: 6.6.6.6',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Prefix: /evil',
    'Forwarded: for=6.6.6.6;proto=https;host=evil.example',
)
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr notice;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{front};
    location / {{
      proxy_pass http://{backend};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      {fields}
    }}
    location /shop/ {{
      proxy_pass http://{backend}/;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Prefix /shop;
      {fields}
    }}
  }}
}}
"""
X_FIELDS = """
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
"""
RFC_FIELDS = """
      proxy_set_header Forwarded "$http_forwarded, for=$remote_addr;proto=https;host=$http_host";
"""
HAPROXY = """
defaults
  mode {mode}
  timeout connect 10s
  timeout client 10s
  timeout server 10s
frontend in
  bind 127.0.0.1:{front}
  default_backend out
backend out
  {options}
  server one {backend} {send}
"""


EVERY_INTERFACE = """
import json

def told(environ, start_response):
    keys = ('REMOTE_ADDR', 'REMOTE_PORT', 'wsgi.url_scheme', 'HTTP_HOST', 'SERVER_NAME', 'SERVER_PORT', 'SCRIPT_NAME', 'PATH_INFO')
    start_response('200 OK', [])
    return [json.dumps([environ.get(key) for key in keys]).encode()]

async def rsgi(scope, protocol):
    told = [scope.client, scope.scheme, scope.headers.get('host'), scope.server, scope.path]
    protocol.response_str(200, [], json.dumps(told))
"""


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as sock:
        return sock.getsockname()[1]


@contextlib.contextmanager
def program(command, port):
    """A proxy that listens."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(('127.0.0.1', port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, process.stdout.read().decode()
                assert time.monotonic() < deadline, 'the proxy does not listen'
                time.sleep(0.01)
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def nginx(tmp_path, backend, fields):
    if not (found := shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin')):
        pytest.skip('nginx is not installed')
    front = free_port()
    (tmp_path / 'nginx.conf').write_text(NGINX.format(folder=tmp_path, front=front, backend=backend, fields=fields))
    with program([found, '-p', str(tmp_path), '-c', str(tmp_path / 'nginx.conf')], front):
        yield front


@contextlib.contextmanager
def haproxy(tmp_path, backend, send, *, mode='tcp', options=''):
    if not (found := shutil.which('haproxy', path=os.environ['PATH'] + ':/usr/sbin')):
        pytest.skip('haproxy is not installed')
    front = free_port()
    text = HAPROXY.format(front=front, backend=backend, send=send, mode=mode, options=options)
    (tmp_path / 'haproxy.cfg').write_text(text)
    with program([found, '-db', '-f', str(tmp_path / 'haproxy.cfg')], front):
        yield front


@contextlib.contextmanager
def serving(tmp_path, listener, bind='127.0.0.1:0', more=''):
    (tmp_path / 'main.py').write_text(APP)
    (tmp_path / 'granian.toml').write_text(
        f'[[listeners]]\nbind = "{bind}"\n{listener}\n[[apps]]\ntarget = "main:app"\ninterface = "asgi"\nlifespan = "off"\n'
        f'{more}[logging.access]\nenabled = true\n'
    )
    with running_server('serve', '-c', 'granian.toml', cwd=tmp_path) as server:
        yield server


def ask(port, *fields, path='/', host='shop.example', source='127.0.0.5', prelude=b''):
    """What the application was told of a client with that address."""
    with socket.create_connection(('127.0.0.1', port), source_address=(source, 0), timeout=PATIENCE_S) as sock:
        lines = [f'GET {path} HTTP/1.1', f'Host: {host}', 'Connection: close', *fields, '', '']
        sock.sendall(prelude + '\r\n'.join(lines).encode())
        data = b''
        while piece := sock.recv(65536):
            data += piece
    return json.loads(data[data.index(b'[') : data.rindex(b']') + 1])


def test_nginx_with_x_forwarded_fields(tmp_path):
    trusting = 'trusted_proxies = ["127.0.0.1"]\nforwarded_fields = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-prefix"]'
    with serving(tmp_path, trusting) as server, nginx(tmp_path, f'127.0.0.1:{server.port}', X_FIELDS) as front:
        own = ['127.0.0.1', server.port]
        # Its own prefix it cannot help sending to where nginx sets none: that one is left out of the spoofed.
        invented = [field for field in SPOOFED if 'Prefix' not in field]
        assert ask(front, *invented) == [['127.0.0.5', 0], 'https', 'shop.example', own, '', '/']
        assert ask(front, *SPOOFED, path='/shop/a') == [
            ['127.0.0.5', 0],
            'https',
            'shop.example',
            own,
            '/shop',
            '/shop/a',
        ]
        server.wait_for(r'127\.0\.0\.5 - "GET /a HTTP/1" 200')


def test_nginx_with_forwarded_on_a_unix_socket(tmp_path):
    trusting = 'trusted_proxies = ["unix"]\nforwarded_fields = ["forwarded"]'
    path = tmp_path / 's'
    with serving(tmp_path, trusting, f'unix:{path}'), nginx(tmp_path, f'unix:{path}:', RFC_FIELDS) as front:
        told = ask(front, *SPOOFED, host='shop.example:81')
        assert told[:4] == [['127.0.0.5', 0], 'https', 'shop.example:81', ['shop.example', 81]]


@pytest.mark.parametrize('listener', ['', 'trusted_proxies = ["192.0.2.1"]'])
def test_nginx_that_is_not_trusted(tmp_path, listener):
    with serving(tmp_path, listener) as server, nginx(tmp_path, f'127.0.0.1:{server.port}', X_FIELDS) as front:
        client, *rest = ask(front, *SPOOFED)
        assert (client[0], rest) == ('127.0.0.1', ['http', 'shop.example', ['127.0.0.1', server.port], '', '/'])


@pytest.mark.parametrize('send', ['send-proxy', 'send-proxy-v2'])
def test_haproxy_with_the_proxy_protocol(tmp_path, send):
    trusting = 'trusted_proxies = ["127.0.0.1"]\nproxy_protocol = true'
    with serving(tmp_path, trusting) as server, haproxy(tmp_path, f'127.0.0.1:{server.port}', send) as front:
        client, *rest = ask(front, *SPOOFED)
        assert (client[0], rest) == ('127.0.0.5', ['http', 'shop.example', ['127.0.0.1', front], '', '/'])
        # Not through it: a client that says of itself what only a proxy may say, from an address that is none.
        with pytest.raises((ConnectionError, ValueError)):
            ask(server.port, prelude=b'PROXY TCP4 6.6.6.6 6.6.6.6 1 1\r\n')
        server.wait_for(r'Connection of 127\.0\.0\.5 refused: it is not one of trusted_proxies')


def test_haproxy_with_forwarded_fields(tmp_path):
    trusting = 'trusted_proxies = ["127.0.0.1"]'
    options = (
        'option forwardfor\n  http-request set-header X-Forwarded-Proto https\n'
        '  http-request set-header X-Forwarded-Host %[req.hdr(Host)]\n  http-request set-header X-Forwarded-Port 8443\n'
        '  http-request del-header X-Forwarded-Prefix\n  http-request set-header Host inner'
    )
    with (
        serving(tmp_path, trusting) as server,
        haproxy(tmp_path, f'127.0.0.1:{server.port}', '', mode='http', options=options) as front,
    ):
        told = ask(front, *SPOOFED)
        assert told == [['127.0.0.5', 0], 'https', 'shop.example:8443', ['shop.example', 8443], '', '/']


def test_haproxy_health_checks_are_served(tmp_path):
    trusting = 'trusted_proxies = ["127.0.0.1"]\nproxy_protocol = true'
    options = 'option httpchk GET /health'
    send = 'send-proxy-v2 check check-send-proxy inter 100ms'
    with (
        serving(tmp_path, trusting) as server,
        haproxy(tmp_path, f'127.0.0.1:{server.port}', send, mode='http', options=options) as front,
    ):
        server.wait_for(r'"GET /health HTTP/1" 200', count=3)
        assert ask(front)[0][0] == '127.0.0.5'


def test_wsgi_and_rsgi_applications_are_told_too(tmp_path):
    (tmp_path / 'every.py').write_text(EVERY_INTERFACE)
    trusting = 'trusted_proxies = ["127.0.0.0/8"]'
    more = '[[apps]]\ntarget = "every:told"\ninterface = "wsgi"\npath = "/w"\n[[apps]]\ntarget = "every:rsgi"\npath = "/r"\n'
    fields = (
        'X-Forwarded-For: 203.0.113.7',
        'X-Forwarded-Proto: https',
        'X-Forwarded-Host: shop.example',
        'X-Forwarded-Prefix: /shop',
    )
    with serving(tmp_path, trusting, more=more + 'interface = "rsgi"\n') as server:
        wsgi = ['https', 'shop.example', 'shop.example', '443', '/shop/w', '/a']
        # Twice: what is remembered of a request is not another client's.
        for address in ('203.0.113.7', '203.0.113.8', '203.0.113.7'):
            told = ask(server.port, fields[0][:-1] + address[-1], *fields[1:], path='/w/a')
            assert told == [address, None, *wsgi]
        assert ask(server.port, *fields, path='/r/a') == [
            '203.0.113.7:0',
            'https',
            'shop.example',
            'shop.example:443',
            '/r/a',
        ]
        address, port, scheme, *_ = ask(server.port, path='/w/a')
        assert (address, scheme, port.isdecimal()) == ('127.0.0.5', 'http', True)


@pytest.mark.parametrize('version', ['--http1.1', '--http2'])
def test_tls_behind_the_proxy_protocol(tmp_path, version):
    certificate, key = Authority('root').issue('shop.example').write(tmp_path, 'site')
    tls = f'[listeners.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
    trusting = f'trusted_proxies = ["127.0.0.1"]\nproxy_protocol = true\n{tls}'
    with serving(tmp_path, trusting) as server, haproxy(tmp_path, f'127.0.0.1:{server.port}', 'send-proxy-v2') as front:
        url = f'https://shop.example:{front}/'
        command = [
            'curl',
            '-sk',
            version,
            '--interface',
            '127.0.0.5',
            '--resolve',
            f'shop.example:{front}:127.0.0.1',
            url,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
        client, *rest = json.loads(done.stdout)
        assert (client[0], rest) == ('127.0.0.5', ['https', f'shop.example:{front}', ['127.0.0.1', front], '', '/'])
        spoken = version.removeprefix('--http').replace('1.1', '1\\.1')
        server.wait_for(rf'127\.0\.0\.5 - "GET / HTTP/{spoken}" 200')
