from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from urllib.request import urlopen

import pytest

from granian.errors import FatalError
from granian.process.reading import Reading, read_apart
from tests.helpers.server import running_server, server_environment

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='one process reads and serves where there is no fork')


def test_what_is_handed_over_arrives_whole():
    lines = [(30, 'x' * 1000)] * 1000

    def life(hand_over):
        hand_over(Reading(os.getpid(), lines, 'label', ()))
        return 0

    found = read_apart(life)

    assert found.plan != os.getpid()
    assert (found.oddities, found.label) == (lines, 'label')


def test_threads_that_reading_began_are_not_waited_for():
    """A log handler's, say, which sends records from one of its own."""

    def life(hand_over):
        threading.Thread(target=threading.Event().wait).start()
        hand_over(Reading(None, [], 'label', ()))
        return 0

    assert read_apart(life).label == 'label'


@pytest.mark.parametrize('status', [0, 2])
def test_without_anything_its_status_counts(status):
    assert read_apart(lambda _: status) == status


def test_one_that_is_killed_is_told():
    with pytest.raises(FatalError, match=r'^the process that read the configuration was killed by SIGKILL$'):
        read_apart(lambda _: os.kill(os.getpid(), signal.SIGKILL))


def test_no_room_for_it_is_told(monkeypatch):
    def fork():
        raise BlockingIOError(11, 'Resource temporarily unavailable')

    monkeypatch.setattr(os, 'fork', fork)
    with pytest.raises(FatalError, match=r'could not be started: resource temporarily unavailable$'):
        read_apart(lambda _: 0)


def test_a_stop_meanwhile_ends_both():
    """The other one, which would wait for ever, is gone once its end of standard output is closed."""
    code = (
        'import os, signal, sys\nfrom granian.process.reading import read_apart\n'
        'def life(_):\n    print("reads", flush=True)\n    signal.pause()\n'
        'sys.exit(read_apart(life))'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=server_environment()
    )
    with process:
        assert process.stdout.readline() == b'reads\n'
        process.terminate()
        assert process.stdout.read() == b''
        assert process.wait(20) == 0


APP = """
import json, sys

def own(): return {name for name in sys.modules if name.startswith('granian')}

AT_IMPORT = own()

async def app(scope, receive, send):
    found = {
        'later': sorted(own() - AT_IMPORT),
        'reading': sorted({'click', 'pydantic', 'pydantic_settings', 'tomli', 'h2', 'h11', 'wsproto'} & set(sys.modules)),
    }
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': json.dumps(found).encode()})
"""


@pytest.mark.parametrize('more', [(), ('--static-path-mount', '.')], ids=['alone', 'beside a folder'])
def test_a_worker_carries_nothing_of_reading_and_imports_no_more_of_the_server_for_itself(tmp_path, more):
    (tmp_path / 'main.py').write_text(APP)
    with running_server('--interface', 'asginl', *more, 'main:app', cwd=tmp_path) as server:
        assert json.loads(urlopen(f'http://127.0.0.1:{server.port}/', timeout=20).read()) == {
            'later': [],
            'reading': [],
        }
