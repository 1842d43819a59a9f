"""Files that change, and a server that follows them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest

from tests.end_to_end.test_reload import refuses, wait_until
from tests.helpers.server import launch, running_server, server_environment
from tests.helpers.sources import write_source

APP = """
async def app(scope, receive, send):
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'%s'})
"""
PATIENCE_S = 30


def answering(text):
    return APP.replace('%s', text)


def get(server):
    with urllib.request.urlopen(f'http://127.0.0.1:{server.port}/', timeout=20) as response:
        return response.read().decode()


def assert_serves(server, text):
    """Soon: of several changes the last may still be on its way."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := get(server)) != text:
        assert time.monotonic() < deadline, found


def save_until(server, path, text, pattern, *, count=1):
    """Save it, again and again while the server has not said that: the watcher may not be there yet."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        path.write_text(text)
        try:
            return server.wait_for(pattern, count=count, timeout_s=2)
        except AssertionError:
            if time.monotonic() > deadline or server._ended:
                raise


@pytest.fixture
def project(tmp_path):
    (tmp_path / 'src').mkdir()
    (tmp_path / 'src' / 'main.py').write_text(answering('one'))
    return tmp_path


def arguments(*more):
    return ('--interface', 'asginl', '--working-dir', 'src', '--reload', '--reload-paths', 'src', *more, 'main:app')


def test_what_is_saved_is_served(project):
    with running_server(*arguments('--workers', '2'), cwd=project) as server:
        assert_serves(server, 'one')
        source = project / 'src' / 'main.py'
        save_until(server, source, answering('two'), 'generation 2 serves')
        assert_serves(server, 'two')
        server.wait_for('Changes detected, reloading workers')
        server.wait_for(re.escape(str(source)) + '$')
        # Of the same second and size: Python would take what it has compiled.
        for number, text in enumerate(('six', 'ten', 'six'), 3):
            source.write_text(answering(text))
            server.wait_for(f'generation {number} serves')
            assert_serves(server, text)


def test_a_storm_of_changes_ends_with_the_last_and_loses_no_request(project):
    source = project / 'src' / 'main.py'
    ignoring = '--reload-ignore-worker-failure'
    with running_server(*arguments('--workers', '2', ignoring), cwd=project, stray_ok=True) as server:
        save_until(server, source, answering('two'), 'generation 2 serves')
        answered = []
        # Whatever a reload is at when the next change comes: reading, starting, handing over.
        for number in range(20):
            source.write_text('app = (' if number % 4 == 3 else answering(f'number {number}'))
            until = time.monotonic() + 0.02 * (number % 8)
            answered.append(get(server))
            while time.monotonic() < until:
                answered.append(get(server))
        source.write_text(answering('the last'))
        assert_serves(server, 'the last')
        assert all(answered)


def test_a_mistake_ends_the_server_as_upstream(project):
    server = launch(*arguments(), cwd=project)
    try:
        server.wait_ready()
        save_until(server, project / 'src' / 'main.py', 'app = (', r'SyntaxError: ')
        assert server.wait_ended() == 1
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


def test_a_mistake_is_shown_and_waited_out(project):
    source = project / 'src' / 'main.py'
    with running_server(*arguments('--reload-ignore-worker-failure'), cwd=project, stray_ok=True) as server:
        save_until(server, source, 'app = (', 'Waiting for the next change')
        server.wait_for(r'SyntaxError: ')
        # What was there before goes on.
        assert_serves(server, 'one')
        source.write_text(answering('two'))
        server.wait_for('generation 2 serves')
        assert_serves(server, 'two')


def test_a_mistake_that_is_there_from_the_start_is_waited_out(project):
    source = project / 'src' / 'main.py'
    source.write_text('app = (')
    server = launch(*arguments('--reload-ignore-worker-failure'), cwd=project)
    try:
        server.wait_for('; waiting for a change')
        save_until(server, source, answering('two'), 'generation 2 serves')
        assert_serves(server, 'two')
        server.stop(stray_ok=True)
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


def test_what_is_to_be_ignored_is_ignored(project):
    source = project / 'src'
    for folder in ('uploads', 'node_modules', 'cache'):
        (source / folder).mkdir()
    ignoring = ('--reload-ignore-dirs', 'uploads', '--reload-ignore-patterns', r'\.log$')
    ignoring += ('--reload-ignore-paths', str(source / 'cache'))
    with running_server(*arguments(*ignoring), cwd=project) as server:
        save_until(server, source / 'main.py', answering('two'), 'generation 2 serves')
        for name in ('uploads/a', 'node_modules/a', 'cache/a', 'a.log', 'a.pyc'):
            (source / name).write_text('x')
        (source / 'seen.txt').write_text('x')
        server.wait_for('generation 3 serves')
        named = [line for line in server.lines if line.startswith(f'[INFO] {source}/')]
        assert {line.rpartition('/')[2] for line in named} == {'main.py', 'seen.txt'}


def test_its_own_log_is_no_change(project):
    log = project / 'src' / 'server.log'
    with log.open('w') as output:
        command = [sys.executable, '-m', 'granian', '--port', '0', *arguments()]
        process = subprocess.Popen(command, cwd=project, env=server_environment(), stdout=output, stderr=output)
    try:
        wait_until(lambda: 'Started worker-1' in log.read_text())
        while 'generation 2 serves' not in log.read_text():
            write_source(project / 'src' / 'main.py', answering('two'))
            with contextlib.suppress(AssertionError):
                wait_until(lambda: 'generation 2 serves' in log.read_text())
        assert f'[INFO] {log}' not in log.read_text()
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_configuration_and_env_files_are_watched_wherever_they_are(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp('elsewhere')
    document = (
        '[server]\nworking_dir = "{src}"\nenv_files = ["env"]\n[[listeners]]\nbind = "127.0.0.1:0"\n{more}\n[reload]\n'
        'enabled = true\npaths = ["{src}"]\n[[apps]]\ntarget = "main:app"\ninterface = "asginl"\n'
    )
    config, env = elsewhere / 'granian.toml', elsewhere / 'env'
    env.write_text('NAME=one\n')
    (project / 'src' / 'main.py').write_text(
        'import os\n' + answering('%s').replace("b'%s'", "os.environ['NAME'].encode()")
    )
    src = project / 'src'
    config.write_text(document.format(src=src, more=''))
    with running_server('serve', '-c', str(config), cwd=project) as server:
        assert_serves(server, 'one')
        save_until(server, env, 'NAME=two\n', 'generation 2 serves')
        assert_serves(server, 'two')
        # As an editor saves: another file in its place.
        other = elsewhere / 'granian.toml~'
        other.write_text(document.format(src=src, more='[[listeners]]\nbind = "127.0.0.1:0"'))
        other.replace(config)
        server.wait_for('generation 3 serves')
        server.wait_for('Listening at', count=2)
        # Faulty: told, and what was before goes on, whatever `ignore_worker_failure` says.
        config.write_text('[server]\nworkers = 0\n')
        server.wait_for('Not reloaded, generation 3 goes on')
        assert_serves(server, 'two')
        # A reload that switches it off ends the watcher.
        watching = watchers(server)
        assert len(watching) == 1
        config.write_text(document.format(src=src, more='').replace('true', 'false'))
        server.wait_for('generation 4 serves')
        _, alive = psutil.wait_procs(watching, timeout=PATIENCE_S)
        assert not alive


def watchers(server):
    """Of a server's processes those that watch files."""
    found = []
    for child in psutil.Process(server.pid).children():
        # It may be gone by now.
        with contextlib.suppress(OSError):
            folder = f'/proc/{child.pid}/fd'
            if any('inotify' in os.readlink(f'{folder}/{fd}') for fd in os.listdir(folder)):
                found.append(child)
    return found


def test_after_an_upgrade_the_new_server_watches_and_the_old_one_ends(project):
    server = launch(*arguments(), cwd=project)
    family = []
    try:
        server.wait_ready()
        server.send_signal(signal.SIGUSR2)
        new = int(server.wait_for(r'Process (\d+) serves in our place').group(1))
        assert server.process.wait(PATIENCE_S) == 0
        family = [psutil.Process(new)]
        save_until(server, project / 'src' / 'main.py', answering('two'), 'generation 2 serves')
        assert_serves(server, 'two')
        family += psutil.Process(new).children()
        os.kill(new, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
        assert not alive
        server.wait_ended()
    finally:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if not server.process.stdout.closed:
            server.kill_all()


def test_what_watches_holds_no_port_that_is_served_no_longer(project):
    config = project / 'granian.toml'
    rest = '[[apps]]\ntarget = "main:app"\ninterface = "asginl"\n[reload]\nenabled = true\npaths = ["src"]\n'
    first = '[server]\nworking_dir = "src"\n[[listeners]]\nbind = "127.0.0.1:0"\n'
    config.write_text(f'{first}[[listeners]]\nbind = "127.0.0.2:0"\n{rest}')
    with running_server('serve', '-c', 'granian.toml', cwd=project) as server:
        port = int(server.wait_for(r'Listening at: http://127.0.0.2:(\d+)').group(1))
        (project / 'src' / 'main.py').write_text(answering('two'))
        save_until(server, config, first + rest, 'generation 2 serves')
        assert refuses('127.0.0.2', port)


def test_a_watcher_that_dies_is_replaced_and_none_outlives_its_server(project):
    server = launch(*arguments(), cwd=project)
    try:
        server.wait_ready()
        save_until(server, project / 'src' / 'main.py', answering('two'), 'generation 2 serves')
        (watcher,) = watchers(server)
        watcher.kill()
        save_until(server, project / 'src' / 'main.py', answering('six'), 'generation 3 serves')
        family = psutil.Process(server.pid).children(recursive=True)
        os.kill(server.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
        assert not alive
        server.wait_ended()
    finally:
        if not server.process.stdout.closed:
            server.kill_all()
