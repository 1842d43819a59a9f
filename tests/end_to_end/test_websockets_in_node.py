"""Sessions of Node's clients: the npm package ws, and the WebSocket that is built in."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.__main__ import ROOT
from tests.helpers.server import running_server

HERE = Path(__file__).parent
MODULES = ROOT / '.venv-checks' / 'node' / 'node_modules'
NODE = shutil.which('node')
PATIENCE_S = 60

needs_ws = pytest.mark.skipif(
    NODE is None or not (MODULES / 'ws').is_dir(),
    reason='needs Node and its package ws: npm install --prefix .venv-checks/node ws@8',
)


@pytest.fixture(params=['fast', 'wsproto'], scope='module')
def server(request):
    times = ('--set', 'websocket.ping_interval=200ms', '--set', 'websocket.ping_timeout=3s')
    engine = ('--set', f'websocket.engine={request.param}')
    with running_server(
        '--interface', 'asgi', *engine, *times, 'starlette_websockets:app', cwd=HERE / 'apps', stray_ok=True
    ) as running:
        yield running


def run(*command):
    done = subprocess.run([NODE, *command], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def ws(server, scenario):
    return run(HERE / 'ws_client.cjs', MODULES, scenario, f'ws://127.0.0.1:{server.port}')


def ends(server):
    return httpx.get(f'http://127.0.0.1:{server.port}/ends', timeout=PATIENCE_S).text.splitlines()


def until_ended(server, before, count=1):
    while len(seen := ends(server)) < len(before) + count:
        pass
    return seen[len(before) :]


@needs_ws
def test_a_chat_of_three(server):
    seen = ws(server, 'chat')
    assert seen['protocols'] == ['chat'] * 3
    assert seen['heard'] == [[f'{name}: größer'] * 3 for name in ('ann', 'bob', 'eve')]
    # Its code comes back, its reason is the application's to know.
    assert seen['ends'] == [[4001, '']] * 3


@needs_ws
@pytest.mark.parametrize(
    ('scenario', 'extension', 'mebibytes'), [('plain', '', 100), ('compressed', 'permessage-deflate', 13)]
)
def test_messages_come_back_compressed_or_not(scenario, extension, mebibytes, server):
    seen = ws(server, scenario)
    assert seen['extensions'].partition(';')[0] == extension
    assert seen['bytes'] > mebibytes * 1024 * 1024
    assert (seen['pieces'], seen['end']) == ('one and two', [1000, ''])


@needs_ws
def test_a_client_that_is_lost_in_the_middle_of_a_message(server):
    before = ends(server)
    assert ws(server, 'lost')['end'][0] == 1006
    assert until_ended(server, before) == ['1006 ']


@needs_ws
def test_a_client_that_answers_no_ping_is_cut_and_others_live(server):
    before = ends(server)
    seen = ws(server, 'half_open')
    assert seen['dead'][0] == 1006
    assert seen['alive'] == 'still here'
    assert until_ended(server, before, 2) == ['1006 no answer to a ping', '1000 ']


@needs_ws
def test_a_ping_of_its_own_is_answered(server):
    assert ws(server, 'ping') == {'pong': 'are you there', 'end': [1005, '']}


@needs_ws
def test_whoever_is_denied_reads_why(server):
    assert ws(server, 'denied') == {'status': 401, 'body': 'members only'}


# ── the built-in one ─────────────────────────────────────────────────────────────────────────────────────────────────

SCRIPT = """
const socket = new WebSocket(process.argv[1]);
socket.binaryType = 'arraybuffer';
const sent = ['größer', 'x'.repeat(100000), new Uint8Array(70000).fill(7)];
const got = [];
socket.onopen = () => sent.forEach((data) => socket.send(data));
socket.onmessage = (event) => {
  got.push(typeof event.data === 'string' ? event.data.length : event.data.byteLength);
  if (got.length === sent.length) socket.close(4000, 'done');
};
socket.onerror = (event) => console.log('error', event.message);
socket.onclose = (event) => console.log(JSON.stringify([got, event.code, event.reason]));
"""


def built_in():
    """The command of a Node that has a WebSocket: from 22 on, and where asked for it from 20.10 on."""
    for command in ([], ['--experimental-websocket']):
        look = [NODE, *command, '-e', 'process.exit(globalThis.WebSocket ? 0 : 1)']
        if NODE and subprocess.run(look, check=False, stderr=subprocess.DEVNULL).returncode == 0:
            return command
    return None


BUILT_IN = built_in()


@pytest.mark.skipif(BUILT_IN is None, reason='needs Node 20.10 or newer, whose WebSocket is built in')
def test_the_built_in_client(server):
    before = ends(server)
    seen = run('--no-warnings', *BUILT_IN, '-e', SCRIPT, f'ws://127.0.0.1:{server.port}/echo')
    assert seen == [[6, 100000, 70000], 4000, '']
    assert until_ended(server, before) == ['4000 done']
