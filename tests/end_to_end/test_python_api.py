"""`Granian(...)` in programs of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sys
import time

import pytest

from tests.end_to_end.test_reload import wait_until
from tests.helpers.certificates import Authority
from tests.helpers.server import Server, server_environment
from tests.helpers.sources import write_source

APP = """
import os

VERSION = 'one'

async def app(scope, receive, send):
    body = (VERSION + ' ' + str(os.getppid())).encode()
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'%d' % len(body))]})
    await send({'type': 'http.response.body', 'body': body})

def factory():
    return app
"""
PROGRAM = """
import os, sys, threading
from granian import Granian

def main():
    server = Granian('main:app', port=0, interface='asgi'{arguments})
    for name in ('startup', 'reload', 'shutdown'):
        getattr(server, 'on_' + name)(lambda name=name: print('hook', name, os.getpid(), flush=True))
{body}

if __name__ == '__main__':
    main()
"""


@pytest.fixture
def project(tmp_path):
    write_source(tmp_path / 'main.py', APP)
    return tmp_path


@contextlib.contextmanager
def program(project, body='server.serve()', arguments=''):
    text = '\n'.join(f'    {line}' for line in body.splitlines())
    (project / 'program.py').write_text(PROGRAM.format(body=text, arguments=arguments and f', {arguments}'))
    server = Server([sys.executable, 'program.py'], cwd=project, env=server_environment())
    try:
        yield server
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


def get(server, path='/'):
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)
    with contextlib.closing(connection):
        connection.request('GET', path)
        return connection.getresponse().read().decode()


def test_it_serves_runs_hooks_and_returns(project):
    with program(project, 'server.serve()\nprint("returned", flush=True)') as server:
        server.wait_ready()
        assert get(server) == f'one {server.pid}'
        server.stop()
    told = [
        line for line in server.lines if line.startswith(('hook', 'returned', '[INFO] Listening', '[INFO] Granian'))
    ]
    assert [line.split(' at')[0] for line in told] == [
        '[INFO] Listening',
        f'hook startup {server.pid}',
        f'hook shutdown {server.pid}',
        '[INFO] Granian shutdown completed, see ya!',
        'returned',
    ]


COUNTING = """
import collections, gc, json
def count():
    gc.collect()
    print('objects', json.dumps(collections.Counter(type(each).__qualname__ for each in gc.get_objects())), flush=True)
server.on_reload(count)
server.serve()
"""


def test_reloads_leave_no_objects_behind_in_the_supervisor(project):
    certificate, key = Authority('root').issue('localhost').write(project, 'site')
    keys = f'workers=2, ssl_cert={str(certificate)!r}, ssl_key={str(key)!r}'
    with program(project, COUNTING, keys) as server:
        server.wait_ready()
        wait_until(lambda: len(server.worker_pids()) == 2)
        rounds = 5
        for number in range(1, rounds + 5):
            reload_twice(project, server, number)
        server.stop(stray_ok=True)
    found = [json.loads(line.partition(' ')[2]) for line in server.lines if line.startswith('objects ')]
    before, after = found[-1 - 2 * rounds], found[-1]
    assert {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)} == {}


def reload_twice(project, server, number):
    """Once so that it fails; each time until the old workers, or the new ones, are gone."""
    for code, outcome in (('1 / 0', 'Not reloaded'), (APP, 'Reloaded: generation')):
        write_source(project / 'main.py', code)
        server.send_signal(signal.SIGHUP)
        server.wait_for(outcome, count=number)
        wait_until(lambda: len(server.worker_pids()) == 2)


def test_a_reload_runs_its_hook_and_serves_new_code(project):
    with program(project) as server:
        server.wait_ready()
        write_source(project / 'main.py', APP.replace("'one'", "'two'"))
        server.send_signal(signal.SIGHUP)
        server.wait_for('Reloaded: generation 2 serves')
        assert get(server).startswith('two')
        server.stop()
    assert f'hook reload {server.pid}' in server.lines


def test_a_hook_that_fails_at_a_reload_keeps_what_serves(project):
    body = 'server.on_reload(lambda: 1 / 0)\nserver.serve()'
    with program(project, body) as server:
        server.wait_ready()
        server.send_signal(signal.SIGHUP)
        server.wait_for('Not reloaded, generation 1 goes on: a hook failed: ZeroDivisionError: division by zero')
        assert get(server).startswith('one')
        server.stop(stray_ok=True)


def test_a_hook_that_fails_at_the_start_is_the_programs(project):
    with program(project, 'server.on_startup(lambda: 1 / 0)\nserver.serve()') as server:
        assert server.wait_ended() == 1
    assert server.lines[-1] == 'ZeroDivisionError: division by zero'


def test_it_is_stopped_and_reloaded_from_another_thread(project):
    body = """
def ask():
    for line in sys.stdin: pass
threading.Thread(target=watch, args=(server,), daemon=True).start()
server.serve()
server.signal_handler_interrupt()
print('returned', flush=True)
""".replace('def ask():\n    for line in sys.stdin: pass\n', """
def watch(server):
    while not os.path.exists('again'): pass
    server.signal_handler_reload()
    while not os.path.exists('stop'): pass
    server.signal_handler_interrupt()
""".replace('pass', 'threading.Event().wait(0.01)'))  # fmt: skip
    with program(project, body) as server:
        server.wait_ready()
        (project / 'again').touch()
        server.wait_for('Reloaded: generation 2 serves')
        (project / 'stop').touch()
        assert server.wait_ended() == 0
    assert server.lines[-1] == 'returned'


@pytest.mark.parametrize(('wrap', 'given'), [(True, "['main:app']"), (False, '[]')])
def test_a_loader_of_its_own(project, wrap, given):
    body = f"""
def load(*given):
    print('loading', list(given), os.getppid(), flush=True)
    from main import app
    return app
server.serve(target_loader=load, wrap_loader={wrap})
"""
    with program(project, body) as server:
        server.wait_ready()
        assert get(server) == f'one {server.pid}'
        server.stop()
    assert f'loading {given} {server.pid}' in server.lines


def test_a_failing_loader_is_a_failed_start(project):
    with program(project, 'server.serve(target_loader=lambda target: 1 / 0)') as server:
        assert server.wait_ended() == 1
    assert 'ZeroDivisionError: division by zero' in server.log


def test_env_files_and_a_log_configuration(project):
    (project / 'more.env').write_text('COLOUR=red\n')
    (project / 'main.py').write_text(APP.replace("VERSION = 'one'", "VERSION = os.environ['COLOUR']"))
    document = {
        'formatters': {'generic': {'format': '<%(message)s>'}},
        'handlers': {
            'console': {'formatter': 'generic', 'class': 'logging.StreamHandler', 'stream': 'ext://sys.stdout'}
        },
        'loggers': {'_granian': {'handlers': ['console'], 'level': 'INFO'}},
    }
    with program(project, arguments=f"env_files=['more.env'], log_dictconfig={json.dumps(document)}") as server:
        server.wait_for('^<Started worker-1>$')
        assert server.wait_for(r'^<Listening at: http://127\.0\.0\.1:(\d+)>$')
        port = int(server.wait_for(r'Listening at: http://127\.0\.0\.1:(\d+)').group(1))
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
        with contextlib.closing(connection):
            connection.request('GET', '/')
            assert connection.getresponse().read().startswith(b'red')
        server.send_signal(signal.SIGHUP)
        server.wait_for('^<Reloaded: generation 2 serves>$')
        server.stop()


def test_a_filter_of_its_own_decides_what_is_watched(project):
    body = """
from watchfiles import BaseFilter
class OnlyThis(BaseFilter):
    def __call__(self, change, path):
        return path.endswith('.this') and super().__call__(change, path)
server = Granian('main:app', port=0, interface='asgi', reload=True, reload_paths=['.'], reload_filter=OnlyThis,
                 reload_ignore_patterns=['^never'])
server.serve()
"""
    with program(project, body) as server:
        server.wait_ready()
        deadline = time.monotonic() + 30
        while not any('Changes detected' in line for line in server.lines):
            assert time.monotonic() < deadline, server.log
            for name in ('a.py', 'never.this', 'a.this'):
                (project / name).write_text(str(time.monotonic()))
            with contextlib.suppress(AssertionError):
                server.wait_for('Changes detected', timeout_s=1)
        server.wait_for('Reloaded')
        server.stop()
    changed = {line.rpartition('/')[2] for line in server.lines if line.startswith('[INFO] /')}
    assert changed == {'a.this'}


def test_a_worker_that_dies_is_exit_status_1(project):
    with program(project) as server:
        server.wait_ready()
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGKILL)
        assert server.wait_ended() == 1
    assert f'hook shutdown {server.pid}' in server.lines
