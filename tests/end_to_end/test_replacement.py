"""Workers that are replaced although they live, a supervisor that another one succeeds, and applications imported once."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from granian.process.supervisor import SAME_REQUEST_S
from tests.end_to_end.test_reload import Project, get, wait_until
from tests.helpers.server import Server, server_environment, wait_gone
from tests.helpers.sources import write_source

MORE = """
import time
hoard = []
plain = app

async def app(scope, receive, send):
    if scope['path'] == '/hoard':
        hoard.append(b'x' * 100_000_000)
    elif scope['path'] == '/stall':
        with open('fifo', 'rb') as fifo:
            fifo.read()
    await plain(scope, receive, send)
"""


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    (tmp_path / 'main.py').write_text((tmp_path / 'main.py').read_text() + MORE)
    return made


def test_a_worker_is_replaced_after_so_many_requests(project):
    project.write(server='workers_max_requests = 5\nrespawn_interval = 0')
    with project.serving() as server:
        (before,) = server.worker_pids()
        for _ in range(5):
            assert int(get(server.port, '/pid')) == before
        server.wait_for('Replacing worker-1 for the 5 requests it has served')
        wait_gone([before])
        assert int(get(server.port, '/pid')) in server.worker_pids()


@pytest.mark.skipif(sys.platform != 'linux', reason='needs /proc')
def test_a_worker_that_holds_too_much_memory_is_replaced(project):
    project.write(server='workers_max_rss = "90MiB"\nrss_sample_interval = 1\nrespawn_interval = 0')
    with project.serving() as server:
        (before,) = server.worker_pids()
        get(server.port, '/hoard')
        server.wait_for(r'Replacing worker-1 for its memory of \d+ MiB')
        wait_gone([before])


def test_a_stalled_worker_tells_where_it_is_and_is_replaced_and_killed(project):
    stall = 'workers_stall_timeout = 1\nworkers_kill_timeout = 1\ngraceful_timeout = "500ms"'
    project.write(server=stall)
    with project.serving() as server, contextlib.closing(http.client.HTTPConnection('127.0.0.1', server.port)) as stuck:
        (before,) = server.worker_pids()
        stuck.request('GET', '/stall')
        server.wait_for(r'The loop of worker-1 has not turned for \d')
        server.wait_for(r'main\.py", line \d+ in app')
        server.wait_for('Killing worker-1 after it refused to gracefully stop')
        wait_gone([before])
        assert get(server.port) == 'one'


def test_a_replacement_that_cannot_start_leaves_the_old_one_at_work(project):
    project.write(server='workers_max_requests = 2\nrespawn_interval = 0')
    with project.serving(stray_ok=True) as server:
        (before,) = server.worker_pids()
        (project.folder / 'main.py').write_text('1 / 0\n')
        for _ in range(2):
            get(server.port)
        server.wait_for('worker-1 goes on, it was not replaced: .*ZeroDivisionError')
        assert int(get(server.port, '/pid')) == before
        project.write_app('two')
        wait_until(lambda: get(server.port) == 'two')


# ── upgrade ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def upgradable(project, more: str = ''):
    """A server whose process will not stay the same."""
    project.write(
        workers=2, server=f'pid_file = "granian.pid"\n{more}', listeners='[[listeners]]\nbind = "unix:a.sock"'
    )
    command = [sys.executable, '-m', 'granian', 'serve', '-c', 'granian.toml']
    server = Server(command, cwd=project.folder, env=server_environment(), own_group=True)
    try:
        server.wait_ready()
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.kill_all()


def supervisor_of(project) -> int:
    return int((project.folder / 'granian.pid').read_text())


def test_who_asks_right_after_an_upgrade_meets_new_workers_alone(project):
    with upgradable(project) as server:
        for version in ('two', 'three'):
            project.write_app(version)
            assert project.command('upgrade') == (0, 'the new supervisor serves')
            assert {get(server.port) for _ in range(10)} == {version}


def test_an_upgrade_takes_over_sockets_pid_file_and_control(project):
    with upgradable(project) as server:
        port, before = server.port, supervisor_of(project)
        workers = server.worker_pids()
        project.write_app('two')
        server.send_signal(signal.SIGUSR2)
        server.wait_for(r'Process \d+ serves in our place, finishing')
        assert server.process.wait(20) == 0
        wait_gone(workers)
        after = supervisor_of(project)
        assert after != before
        assert get(port) == 'two'
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(20)
            sock.connect(str(project.folder / 'a.sock'))
            sock.sendall(b'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
            assert sock.recv(65536).startswith(b'HTTP/1.1 200')
        assert project.command('reload') == (0, 'generation 2 serves')
        family = [psutil.Process(after), *psutil.Process(after).children()]
        os.kill(after, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
    left = {path.name for path in project.folder.iterdir()} - {'__pycache__'}
    assert left == {'main.py', 'granian.toml', 'fifo'}


def test_a_listener_that_the_new_one_has_not_is_drained_and_gone(project):
    with upgradable(project) as server:
        project.write(workers=1, server='pid_file = "granian.pid"')
        server.send_signal(signal.SIGUSR2)
        server.wait_for(r'Process \d+ serves in our place, finishing')
        assert server.process.wait(20) == 0
        assert not (project.folder / 'a.sock').exists()
        assert {get(server.port) for _ in range(30)} == {'one'}


@pytest.mark.parametrize('fault', ['application', 'configuration'])
def test_an_upgrade_that_fails_leaves_the_old_one_at_work(project, fault):
    with upgradable(project) as server:
        if fault == 'application':
            (project.folder / 'main.py').write_text('1 / 0\n')
        else:
            (project.folder / 'granian.toml').write_text('[server]\nworkres = 1\n')
        server.send_signal(signal.SIGUSR2)
        server.wait_for('Not upgraded, this process goes on: the new supervisor ended with status')
        assert supervisor_of(project) == server.pid
        assert (project.folder / 'a.sock').exists()
        assert {get(server.port) for _ in range(30)} == {'one'}
        server.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


def test_an_upgrade_makes_socket_files_anew_that_somebody_removed(project):
    with upgradable(project) as server:
        for name in ('a.sock', 'granian.control'):
            (project.folder / name).unlink()
        server.send_signal(signal.SIGUSR2)
        server.wait_for(r'Process \d+ serves in our place, finishing')
        assert server.process.wait(20) == 0
        assert {get(server.port) for _ in range(10)} == {'one'}
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(project.folder / 'a.sock'))
        assert project.command('reload') == (0, 'generation 2 serves')


def test_what_a_new_supervisor_is_asked_for_before_it_serves_does_not_send_the_old_one_away(project):
    with upgradable(project) as server:
        (project.folder / 'main.py').write_text("import os\nos.write(1, b'hangs\\n')\nopen('fifo').read()\n")
        server.send_signal(signal.SIGUSR2)
        server.wait_for('^hangs$')
        (project.folder / 'granian.toml').write_text('[server]\npid_file = "granian.pid"\nworkres = 1\n')
        new = int(server.wait_for(r'Upgrading: process (\d+) starts').group(1))
        for count in (1, 2):
            os.kill(new, signal.SIGHUP)
            server.wait_for('Not reloaded, generation 1 goes on: granian.toml', count=count)
        project.write(server='pid_file = "granian.pid"')
        assert project.command('upgrade') == (1, 'another upgrade is under way')
        assert {get(server.port) for _ in range(10)} == {'one'}


def test_an_upgrade_that_hangs_is_given_up(project):
    with upgradable(project, 'workers_start_timeout = 1') as server:
        (project.folder / 'main.py').write_text("open('fifo').read()\n")
        before = server.worker_pids()
        server.send_signal(signal.SIGUSR2)
        server.wait_for('Not upgraded, this process goes on: the new supervisor did not serve within 1 s')
        wait_until(
            lambda: psutil.Process(server.pid).children(recursive=True) == [psutil.Process(pid) for pid in before]
        )
        assert {get(server.port) for _ in range(30)} == {'one'}
        server.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


def test_an_upgrade_outlives_the_command_and_is_given_up_by_ending_the_new_process(project):
    with upgradable(project) as server:
        (project.folder / 'main.py').write_text("import os\nos.write(1, b'hangs\\n')\nopen('fifo').read()\n")
        before = server.worker_pids()
        command = [sys.executable, '-m', 'granian', 'upgrade', '-c', 'granian.toml']
        with subprocess.Popen(command, cwd=project.folder, env=server_environment()) as asking:
            server.wait_for('^hangs$')
            asking.send_signal(signal.SIGINT)
            assert asking.wait(20) == 130
        new = int(server.wait_for(r'Upgrading: process (\d+) starts').group(1))
        assert psutil.pid_exists(new)
        os.kill(new, signal.SIGTERM)
        server.wait_for('Not upgraded, this process goes on: the new supervisor ended with status 0 before it served')
        assert server.worker_pids() == before
        assert {get(server.port) for _ in range(10)} == {'one'}


def test_a_stop_in_the_middle_of_an_upgrade_ends_both(project):
    with upgradable(project) as server:
        (project.folder / 'main.py').write_text("import os\nos.write(1, b'hangs\\n')\nopen('fifo').read()\n")
        server.send_signal(signal.SIGUSR2)
        server.wait_for('^hangs$')
        family = psutil.Process(server.pid).children(recursive=True)
        server.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive


# ── preload ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_preloaded_applications_are_imported_once_and_anew_by_an_upgrade_only(project):
    def write_app(version: str) -> None:
        project.write_app(version)
        code = (project.folder / 'main.py').read_text()
        write_source(
            project.folder / 'main.py',
            code + '\nos.write(1, f\'imported {os.environ.get("SHOP_COLOUR")}\\n\'.encode())\n',
        )

    write_app('one')
    (project.folder / '.env').write_text('SHOP_COLOUR=green\n')
    project.write(workers=2, server='preload = true\nenv_files = [".env"]\npid_file = "granian.pid"')
    command = [sys.executable, '-m', 'granian', 'serve', '-c', 'granian.toml']
    server = Server(command, cwd=project.folder, env=server_environment(), own_group=True)
    try:
        server.wait_ready()
        assert server.lines.count('imported green') == 1
        write_app('two')
        project.reload(server)
        assert get(server.port) == 'one'
        assert server.lines.count('imported green') == 1
        server.send_signal(signal.SIGUSR2)
        server.wait_for(r'Process \d+ serves in our place, finishing')
        assert server.process.wait(20) == 0
        assert get(server.port) == 'two'
        assert server.lines.count('imported green') == 2
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.kill_all()


def test_a_preloaded_application_that_cannot_be_imported_is_told_once(project):
    (project.folder / 'main.py').write_text('1 / 0\n')
    project.write(workers=2, server='preload = true')
    server = Server(
        [sys.executable, '-m', 'granian', 'serve', '-c', 'granian.toml'], cwd=project.folder, env=server_environment()
    )
    try:
        assert server.wait_ended() == 1
    finally:
        if not server.process.stdout.closed:
            server.kill_all()
    assert server.log.count('Traceback') == 1
    assert server.lines[-1] == "While importing 'main', a ZeroDivisionError was raised: division by zero"


SLOW_IMPORT = """
import os, signal
if os.path.exists('deaf'):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.path.exists('slow'):
    os.write(1, b'importing\\n')
    open('fifo').read()
"""


@pytest.fixture
def preloading(project):
    """An import takes for ever once there is a file `slow`; with a file `deaf` it obeys nobody."""
    (project.folder / 'main.py').write_text(SLOW_IMPORT + (project.folder / 'main.py').read_text())
    project.write(server='preload = true\npid_file = "granian.pid"')
    return project


def launched(project):
    return Server(
        [sys.executable, '-m', 'granian', 'serve', '-c', 'granian.toml'], cwd=project.folder, env=server_environment()
    )


def test_a_stop_while_applications_are_preloaded_is_obeyed(preloading):
    (preloading.folder / 'slow').touch()
    server = launched(preloading)
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill_all)
        server.wait_for('^importing$')
        server.stop()
        stack.pop_all()
    assert not (preloading.folder / 'granian.pid').exists()


@contextlib.contextmanager
def deaf_upgrade(project):
    """A server whose place another is about to take, which obeys nobody."""
    server = launched(project)
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill_all)
        server.wait_ready()
        for name in ('slow', 'deaf'):
            (project.folder / name).touch()
        server.send_signal(signal.SIGUSR2)
        server.wait_for('^importing$')
        yield server
        server.stop()
        stack.pop_all()


def test_a_second_stop_ends_an_upgrade_that_does_not_listen(preloading):
    with deaf_upgrade(preloading) as server:
        server.send_signal(signal.SIGTERM)
        server.wait_for('Shutting down granian')
        # As one request to stop counts whatever comes soon after it.
        time.sleep(SAME_REQUEST_S + 0.1)


def test_an_upgrade_that_does_not_listen_has_as_long_to_end_as_workers(preloading):
    preloading.write(server='preload = true\npid_file = "granian.pid"\nworkers_kill_timeout = 1')
    with deaf_upgrade(preloading):
        # The stop that follows is the only one.
        pass
