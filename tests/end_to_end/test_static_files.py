"""Folders as a person serves them: a file of settings, processes, and curl as a client that is not ours."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

import psutil
import pytest

from tests.helpers.folders import EARLIER, LATER, etag_of, put
from tests.helpers.server import running_server
from tests.helpers.static_tables import CONDITIONS, CONTENT, RANGES
from tests.helpers.traversal import TARGETS

pytestmark = pytest.mark.skipif(shutil.which('curl') is None, reason='curl is not installed')
MIB = 1024 * 1024
LARGE_MIB = 200

SETTINGS = """
[[listeners]]
bind = "127.0.0.1:0"

[[static]]
path = "/files"
directory = "site"
index = "index.html"
precompressed = ["br", "gzip"]
cache = {{ "*.html" = "no-cache", "assets/**" = "immutable" }}

[http1]
engine = "{engine}"

[logging.access]
enabled = true
"""


@pytest.fixture(scope='module', params=['fast', 'h11'])
def served(request, tmp_path_factory):
    """(URL of the folder, the folder, the server)."""
    project = tmp_path_factory.mktemp('project')
    site = project / 'site'
    put(site, 'a.txt', CONTENT)
    put(site, 'index.html', b'<h1>index</h1>')
    put(site, 'sub/index.html', b'<h1>sub</h1>')
    put(site, 'assets/app.js', b'plain')
    put(site, 'assets/app.js.gz', subprocess.run(['gzip', '-c'], input=b'unpacked', stdout=-1, check=True).stdout)
    put(site, 'ä ö.txt', b'umlauts')
    put(project, 'secret.txt', b'the secret')
    os.truncate(put(site, 'large'), LARGE_MIB * MIB)
    (project / 'granian.toml').write_text(SETTINGS.format(engine=request.param))
    with running_server('serve', '-c', 'granian.toml', cwd=project) as server:
        yield f'http://127.0.0.1:{server.port}/files', site, server


def curl(*arguments, **more):
    """(status, fields, body) of one request."""
    command = ['curl', '--silent', '--show-error', '--path-as-is', '--include', '--max-time', '20', *arguments]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, **more).stdout
    head, _, body = output.partition(b'\r\n\r\n')
    line, *fields = head.decode().split('\r\n')
    pairs = [field.split(': ', 1) for field in fields]
    return int(line.split()[1]), {name.lower(): value for name, value in pairs}, body


def test_conditions_with_curl(served):
    url, site, _ = served
    etag = etag_of(site / 'a.txt')
    for fields, status in CONDITIONS:
        # For curl a field with nothing after its colon is one to leave out.
        given = [field.replace('TAG', etag) if not field.endswith(':') else field[:-1] + ';' for field in fields]
        arguments = [part for field in given for part in ('--header', field)]
        found, _, body = curl(*arguments, f'{url}/a.txt')
        assert (fields, found) == (fields, status)
        assert status != 200 or body == CONTENT


def test_ranges_with_curl(served):
    url, _, _ = served
    for asked, wanted in RANGES:
        if not asked.startswith('bytes=') or not asked[6:]:
            continue
        status, fields, body = curl('--range', asked[6:], f'{url}/a.txt')
        case = (asked, status)
        if wanted is None:
            assert case == (asked, 200)
            assert body == CONTENT
        elif not wanted:
            assert case == (asked, 416)
            assert fields['content-range'] == f'bytes */{len(CONTENT)}'
        elif len(wanted) == 1:
            start, end = wanted[0]
            assert case == (asked, 206)
            assert (fields['content-range'], body) == (f'bytes {start}-{end - 1}/{len(CONTENT)}', CONTENT[start:end])
        else:
            assert case == (asked, 206)
            assert fields['content-type'].startswith('multipart/byteranges; boundary=')
            assert int(fields['content-length']) == len(body)


def test_curl_asks_again_only_for_what_has_changed(served, tmp_path):
    url, site, _ = served
    page = site / 'page.html'
    put(site, 'page.html', b'one')
    arguments = ('--etag-save', str(tmp_path / 'etag'), '--etag-compare', str(tmp_path / 'etag'), f'{url}/page.html')
    assert curl(*arguments)[::2] == (200, b'one')
    assert curl(*arguments)[0] == 304
    assert curl('--time-cond', LATER, f'{url}/page.html')[0] == 304
    assert curl('--time-cond', EARLIER, f'{url}/page.html')[0] == 200
    page.write_bytes(b'other')
    assert curl(*arguments)[::2] == (200, b'other')


def test_curl_goes_on_with_half_a_download(served, tmp_path):
    url, site, _ = served
    content = os.urandom(3 * MIB)
    put(site, 'download', content)
    target = tmp_path / 'download'
    target.write_bytes(content[: MIB + 1])
    subprocess.run(['curl', '-sS', '-C', '-', '-o', str(target), f'{url}/download'], check=True)
    assert target.read_bytes() == content


def test_curl_unpacks_what_it_accepts(served):
    url, _, _ = served
    status, fields, body = curl('--compressed', '--header', 'Accept-Encoding: gzip', f'{url}/assets/app.js')
    assert (status, fields['content-encoding'], fields['vary'], body) == (200, 'gzip', 'accept-encoding', b'unpacked')
    assert fields['cache-control'] == 'public, max-age=31536000, immutable'
    assert curl(f'{url}/assets/app.js')[2] == b'plain'


def test_curl_follows_a_folder_to_its_index(served):
    url, _, _ = served
    status, fields, body = curl(url)
    assert (status, fields['location'], body) == (301, './files/', b'')
    output = subprocess.run(['curl', '-sSL', url, f'{url}/sub?x'], stdout=subprocess.PIPE, check=True).stdout
    assert output == b'<h1>index</h1><h1>sub</h1>'


def test_head_other_methods_and_names(served):
    url, _, _ = served
    status, fields, body = curl('--head', f'{url}/a.txt')
    assert (status, fields['content-length'], body) == (200, str(len(CONTENT)), b'')
    status, fields, _ = curl('--request', 'DELETE', f'{url}/a.txt')
    assert (status, fields['allow']) == (405, 'GET, HEAD')
    assert curl('--data', 'x', f'{url}/a.txt')[0] == 405
    assert curl(f'{url}/%C3%A4%20%C3%B6.txt')[2] == b'umlauts'


def test_the_corpus_gets_nothing_out_of_a_process(served):
    _, _, server = served
    for target in TARGETS:
        with socket.create_connection(('127.0.0.1', server.port), timeout=20) as sock:
            line = b'GET ' + target.replace(b'@', b'/files') + b' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
            sock.sendall(line)
            answer = b''.join(iter(lambda sock=sock: sock.recv(65536), b''))
        assert b'the secret' not in answer, target
        assert b'root:' not in answer, target
        assert answer.split(b' ', 2)[1] in (b'200', b'301', b'400', b'404'), target


def test_requests_for_files_are_in_the_access_log(served):
    url, _, server = served
    curl(f'{url}/a.txt?logged')
    curl(f'{url}/logged-as-missing')
    server.wait_for(r'GET /files/a\.txt.* 200')
    server.wait_for(r'GET /files/logged-as-missing.* 404')


def test_a_large_file_to_a_slow_client_takes_no_memory(served):
    _, _, server = served
    (worker,) = [psutil.Process(pid) for pid in server.worker_pids()]
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.settimeout(20)
        sock.connect(('127.0.0.1', server.port))
        sock.sendall(b'GET /files/large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        sizes, taken, piece = [], 0, memoryview(bytearray(256 * 1024))
        while count := sock.recv_into(piece):
            taken += count
            # Whoever looks at a process each quarter of a MiB is a slow client.
            if taken // (256 * 1024) > len(sizes):
                sizes.append(worker.memory_full_info().uss)
        assert taken > LARGE_MIB * MIB
    assert len(sizes) > 2 * LARGE_MIB
    assert max(sizes) - sizes[0] < 10 * MIB
