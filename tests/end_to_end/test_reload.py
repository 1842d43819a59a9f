"""A running server is changed: by a hang-up, by `granian reload`, by TTIN, TTOU and USR1."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from granian.process.control import ask
from tests.helpers.server import launch, running_server, server_environment, wait_gone
from tests.helpers.sources import write_source

APP = """
import asyncio, os
VERSION = 'one'

async def app(scope, receive, send):
    body = VERSION.encode()
    if scope['path'] == '/pid':
        body = str(os.getpid()).encode()
    elif scope['path'] == '/colour':
        body = os.environ.get('SHOP_COLOUR', '').encode()
    elif scope['path'] == '/blocked':
        os.write(1, b'blocked\\n')
        body = read_fifo()
    elif scope['path'] == '/held':
        os.write(1, b'held\\n')
        body = await asyncio.get_running_loop().run_in_executor(None, read_fifo)
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'%d' % len(body))]})
    await send({'type': 'http.response.body', 'body': body})

def read_fifo():
    with open('fifo', 'rb') as fifo:
        return fifo.read()
"""
CONFIG = """
[server]
workers = {workers}
{server}
[[listeners]]
bind = "127.0.0.1:0"
{listeners}
[[apps]]
target = "main:app"
interface = "asginl"
[logging]
{logging}
"""


class Project:
    def __init__(self, folder) -> None:
        self.folder = folder
        self.write_app('one')
        self.write()
        os.mkfifo(folder / 'fifo')

    def write_app(self, version: str) -> None:
        write_source(self.folder / 'main.py', APP.replace("'one'", repr(version)))

    def write(self, *, workers: int = 1, server: str = '', listeners: str = '', logging: str = '') -> None:
        text = CONFIG.format(workers=workers, server=server, listeners=listeners, logging=logging)
        (self.folder / 'granian.toml').write_text(text)

    def serving(self, **options):
        return running_server('serve', '-c', 'granian.toml', cwd=self.folder, **options)

    def command(self, name: str, *arguments: str) -> tuple[int, str]:
        """The exit status and output of a command given in the same folder."""
        ended = subprocess.run(
            [sys.executable, '-m', 'granian', name, '-c', 'granian.toml', *arguments],
            cwd=self.folder,
            env=server_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return ended.returncode, ended.stdout.strip()

    def reload(self, server, count: int = 1) -> None:
        server.send_signal(signal.SIGHUP)
        server.wait_for(r'Reloaded: generation \d+ serves', count=count)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def get(port: int, path: str = '/') -> str:
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    with contextlib.closing(connection):
        connection.request('GET', path)
        return connection.getresponse().read().decode()


def wait_until(holds) -> None:
    """For what is seen from outside only by looking."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ── what a reload brings ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_hang_up_brings_new_code_and_lets_the_old_workers_go(project):
    with project.serving() as server:
        before = server.worker_pids()
        project.write_app('two')
        project.reload(server)
        wait_gone(before)
        assert get(server.port) == 'two'
        assert server.log.index('HUP signal received, reloading') < server.log.index('Reloaded: generation 2 serves')


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_who_asks_right_after_a_reload_meets_new_workers_alone(project, loop):
    project.write(workers=2, server=f'control = "c.sock"\nloop = "{loop}"')
    with project.serving() as server:
        for number in range(2, 7):
            project.write_app(str(number))
            assert ask(project.folder / 'c.sock', 'reload', 60) == (0, f'generation {number} serves')
            assert {get(server.port) for _ in range(10)} == {str(number)}


def test_env_files_are_read_again(project):
    (project.folder / '.env').write_text('SHOP_COLOUR=green\n')
    project.write(server='env_files = [".env"]')
    with project.serving() as server:
        assert get(server.port, '/colour') == 'green'
        (project.folder / '.env').write_text('SHOP_COLOUR=red\nGRANIAN_SERVER__WORKERS=2\n')
        project.write(server='env_files = [".env"]')
        (project.folder / 'granian.toml').write_text(
            (project.folder / 'granian.toml').read_text().replace('workers = 1\n', '')
        )
        project.reload(server)
        wait_until(lambda: len(server.worker_pids()) == 2)
        assert get(server.port, '/colour') == 'red'


def test_flags_given_at_the_start_still_count(project):
    arguments = ('serve', '--port', '0', '-c', 'granian.toml', '--workers', '2')
    with running_server(*arguments, cwd=project.folder) as server:
        project.write(workers=1)
        project.reload(server)
        server.wait_for('Started worker-2', count=2)


@pytest.mark.parametrize(('before', 'after'), [(1, 3), (3, 1), (3, 2)])
def test_another_number_of_workers_serves_every_connection(project, before, after):
    project.write(workers=before)
    with project.serving() as server:
        old = server.worker_pids()
        project.write(workers=after)
        project.reload(server)
        wait_gone(old)
        answered = {int(get(server.port, '/pid')) for _ in range(60)}
        assert answered == set(server.worker_pids())
        assert len(answered) == after


def test_listeners_come_and_go(project):
    path = project.folder / 'a.sock'
    with project.serving() as server:
        port = server.port
        project.write(listeners='[[listeners]]\nbind = "unix:a.sock"\n[[listeners]]\nbind = "127.0.0.2:0"')
        project.reload(server)
        other = int(server.wait_for(r'Listening at: http://127.0.0.2:(\d+)').group(1))
        assert path.exists()
        with socket.create_connection(('127.0.0.2', other), timeout=20):
            pass
        project.write()
        project.reload(server, count=2)
        server.wait_for('No longer listening at: unix:')
        assert not path.exists()
        assert refuses('127.0.0.2', other)
        assert get(port) == 'one'


@pytest.mark.skipif(sys.platform != 'linux', reason='there two sockets cannot share a port')
def test_an_address_widens_and_narrows_on_the_same_port(project):
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    config = project.folder / 'granian.toml'
    text = config.read_text().replace('127.0.0.1:0', f'127.0.0.1:{port}')
    config.write_text(text)
    with project.serving() as server:
        config.write_text(text.replace('127.0.0.1', '0.0.0.0'))
        project.reload(server)
        assert not refuses('127.0.0.2', port)
        assert get(port) == 'one'
        config.write_text(text)
        project.reload(server, count=2)
        assert refuses('127.0.0.2', port)
        assert get(port) == 'one'


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_a_listener_comes_again_while_a_worker_that_is_to_go_still_holds_its_port(project, loop):
    other = f'[[listeners]]\nbind = "127.0.0.2:{free_port("127.0.0.2")}"'
    port = int(other.split(':')[1].rstrip('"'))
    project.write(server=f'loop = "{loop}"', listeners=other)
    with project.serving() as server, contextlib.closing(http.client.HTTPConnection('127.0.0.1', server.port)) as held:
        (before,) = server.worker_pids()
        held.request('GET', '/blocked')
        server.wait_for('^blocked$')
        # Its loop does not turn: it is not told to go before this ends.
        project.write(server=f'loop = "{loop}"')
        project.reload(server)
        project.write(server=f'loop = "{loop}"', listeners=other)
        project.reload(server, count=2)
        assert before in server.worker_pids()
        with contextlib.closing(http.client.HTTPConnection('127.0.0.2', port, timeout=20)) as client:
            client.request('GET', '/pid')
            assert int(client.getresponse().read()) != before
        (project.folder / 'fifo').write_text('seen')
        assert held.getresponse().read() == b'seen'
        wait_gone([before])
        project.write(server=f'loop = "{loop}"')
        project.reload(server, count=3)
        assert refuses('127.0.0.2', port)


def free_port(host: str) -> int:
    with socket.socket() as sock:
        sock.bind((host, 0))
        return sock.getsockname()[1]


def refuses(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_the_file_of_a_unix_socket_outlives_the_workers_that_listened_on_it(project, loop):
    more = {'server': f'loop = "{loop}"', 'listeners': '[[listeners]]\nbind = "unix:a.sock"'}
    project.write(**more)
    with project.serving() as server:
        before = server.worker_pids()
        project.reload(server)
        wait_gone(before)
        assert (project.folder / 'a.sock').exists()


def test_preload_that_a_reload_cannot_change_is_told(project):
    with project.serving() as server:
        project.write(server='preload = true')
        project.reload(server)
        server.wait_for('server.preload is in force from the next start or upgrade on')


def test_the_mode_of_a_unix_socket_follows(project):
    unix = '[[listeners]]\nbind = "unix:a.sock"\npermissions = {}'
    project.write(listeners=unix.format('0o600'))
    with project.serving() as server:
        assert stat.S_IMODE((project.folder / 'a.sock').stat().st_mode) == 0o600
        project.write(listeners=unix.format('0o660'))
        project.reload(server)
        assert stat.S_IMODE((project.folder / 'a.sock').stat().st_mode) == 0o660


def test_a_port_that_is_taken_changes_nothing(project):
    with project.serving() as server, socket.create_server(('127.0.0.1', 0)) as other:
        project.write(listeners=f'[[listeners]]\nbind = "127.0.0.1:{other.getsockname()[1]}"')
        server.send_signal(signal.SIGHUP)
        server.wait_for('Not reloaded, generation 1 goes on: .*already in use by another process')
        assert get(server.port) == 'one'


def test_log_level_access_log_pid_file_and_title_follow(project):
    (project.folder / 'main.py').write_text(APP + "\nos.write(1, b'imported\\n')\n")
    project.write(server='pid_file = "one.pid"\nprocess_name = "one"')
    with project.serving() as server:
        document = {'formatters': {'generic': {'format': 'own|%(message)s'}, 'access': {'format': '%(message)s'}}}
        (project.folder / 'log.json').write_text(json.dumps(document))
        access = 'config = "log.json"\naccess = {enabled = true, format = "%(path)s %(status)d"}'
        project.write(server='pid_file = "two.pid"\nprocess_name = "two"', logging=access)
        server.send_signal(signal.SIGHUP)
        server.wait_for(r'^own\|Reloaded: generation 2 serves')
        assert not (project.folder / 'one.pid').exists()
        assert int((project.folder / 'two.pid').read_text()) == server.pid
        assert psutil.Process(server.pid).cmdline()[0] == 'two'
        wait_until(lambda: get(server.port, '/some') == 'one' and '/some 200' in server.lines)


# ── what goes on meanwhile ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_in_progress_finishes_and_its_connection_is_closed(project):
    with project.serving() as server:
        slow = http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)
        with contextlib.closing(slow):
            slow.request('GET', '/held')
            server.wait_for('^held$')
            project.write_app('two')
            project.reload(server)
            assert get(server.port) == 'two'
            (project.folder / 'fifo').write_bytes(b'finished')
            response = slow.getresponse()
            assert (response.read(), response.getheader('connection')) == (b'finished', 'close')


def test_a_kept_connection_is_asked_to_leave_with_its_next_answer(project):
    with project.serving() as server:
        kept = http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)
        with contextlib.closing(kept):
            kept.request('GET', '/')
            kept.getresponse().read()
            project.write_app('two')
            project.reload(server)
            kept.request('GET', '/')
            response = kept.getresponse()
            assert (response.read(), response.getheader('connection')) == (b'one', 'close')


def test_an_idle_connection_is_closed_after_a_grace(project):
    project.write(server='graceful_timeout = "800ms"')
    with project.serving() as server, socket.create_connection(('127.0.0.1', server.port), timeout=20) as idle:
        idle.sendall(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        assert idle.recv(65536)
        before = server.worker_pids()
        project.reload(server)
        assert idle.recv(65536) == b''
        wait_gone(before)


def test_a_worker_that_somebody_else_tells_to_end_is_replaced_at_once(project):
    project.write(server='respawn_failed_workers = true')
    with (
        project.serving() as server,
        contextlib.closing(http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)) as slow,
    ):
        slow.request('GET', '/held')
        server.wait_for('^held$')
        (before,) = server.worker_pids()
        os.kill(before, signal.SIGTERM)
        server.wait_for('Started worker-1', count=2)
        assert int(get(server.port, '/pid')) != before
        (project.folder / 'fifo').write_bytes(b'finished')
        assert slow.getresponse().read() == b'finished'
        wait_gone([before])


HANGING = {
    'import': "import os\nos.write(1, b'hangs\\n')\nopen('fifo').read()\n",
    'start': "import asyncio, os\nasync def app(*_):\n    os.write(1, b'hangs\\n')\n    await asyncio.Event().wait()\n",
}


@pytest.mark.parametrize('code', HANGING.values(), ids=HANGING)
def test_a_later_request_takes_the_place_of_one_that_hangs(project, code):
    with project.serving() as server:
        (project.folder / 'main.py').write_text(code)
        text = (project.folder / 'granian.toml').read_text().replace('asginl', 'asgi')
        (project.folder / 'granian.toml').write_text(text)
        server.send_signal(signal.SIGHUP)
        server.wait_for('^hangs$')
        project.write_app('two')
        project.write()
        server.send_signal(signal.SIGHUP)
        server.wait_for('Not reloaded, generation 1 goes on: given up for a later request')
        server.wait_for('Reloaded: generation 2 serves')
        assert get(server.port) == 'two'


@pytest.mark.parametrize('code', HANGING.values(), ids=HANGING)
def test_one_that_hangs_is_given_up_and_tells_where(project, code):
    with project.serving() as server:
        (project.folder / 'main.py').write_text(code)
        project.write(server='workers_start_timeout = 1')
        text = (project.folder / 'granian.toml').read_text().replace('asginl', 'asgi')
        (project.folder / 'granian.toml').write_text(text)
        before = server.worker_pids()
        assert project.command('reload') == (1, 'worker-1 did not start within 1 s')
        server.wait_for('Not reloaded, generation 1 goes on: worker-1 did not start within 1 s')
        server.wait_for('What the threads of worker-1 are doing:')
        wait_until(lambda: server.worker_pids() == before)
        assert get(server.port) == 'one'
        project.write_app('two')
        project.write()
        assert project.command('reload') == (0, 'generation 2 serves')


def test_a_configuration_that_cannot_be_read_in_time_is_given_up(project):
    project.write(server='workers_start_timeout = 1')
    with project.serving() as server:
        (project.folder / 'granian.toml').unlink()
        os.mkfifo(project.folder / 'granian.toml')
        server.send_signal(signal.SIGHUP)
        server.wait_for('Not reloaded, generation 1 goes on: the configuration could not be read within 1 s')
        assert get(server.port) == 'one'


def test_a_stop_in_the_middle_of_a_reload_is_obeyed(project):
    with project.serving() as server:
        (project.folder / 'main.py').write_text("import os\nos.write(1, b'hangs\\n')\nopen('fifo').read()\n")
        server.send_signal(signal.SIGHUP)
        server.wait_for('^hangs$')
        server.stop()


def test_many_hang_ups_at_once_end_with_the_last(project):
    with project.serving() as server:
        for number in range(20):
            project.write_app(str(number))
            server.send_signal(signal.SIGHUP)
        wait_until(lambda: get(server.port) == '19')
        wait_until(lambda: len(server.worker_pids()) == 1)


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_tells_what_came_of_it(project):
    with project.serving(stray_ok=True) as server:
        assert project.command('reload') == (0, 'generation 2 serves')
        (project.folder / 'main.py').write_text('1 / 0\n')
        status, said = project.command('reload')
        assert (status, said) == (1, "While importing 'main', a ZeroDivisionError was raised: division by zero")
        status, said = project.command('status')
        assert status == 0
        assert said.splitlines()[0] == 'generation 2 serves'
        assert f'process {server.worker_pids()[0]}, serving, generation 2' in said
        (project.folder / 'granian.toml').write_text('[server]\nworkres = 2\n')
        status, said = project.command('reload')
        assert status == 2
        assert "did you mean 'workers'" in said


def test_a_file_that_only_the_server_finds_faulty_is_told_by_the_command(project):
    project.write(server='control = "c.sock"')
    other = project.folder / 'other.toml'
    other.write_text('[server]\ncontrol = "c.sock"\n')
    with project.serving() as server:
        (project.folder / 'granian.toml').write_text('[server]\nworkres = 2\n')
        ended = subprocess.run(
            [sys.executable, '-m', 'granian', 'reload', '-c', str(other)],
            env=server_environment(), cwd=project.folder, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 2
        assert "granian.toml:2:1: server.workres: unknown key; did you mean 'workers'?" in ended.stderr
        server.wait_for('Not reloaded, generation 1 goes on: granian.toml:2:1')
        assert get(server.port) == 'one'


def test_what_the_server_holds_itself_is_no_fault_of_its_configuration(project):
    more = '[[listeners]]\nbind = "unix:a.sock"\n[[listeners]]\nbind = "127.0.0.2:{port}"'
    with socket.create_server(('127.0.0.2', 0)) as other:
        port = other.getsockname()[1]
        project.write(server='pid_file = "granian.pid"', listeners=more.format(port=port))
        status, said = project.command('check')
        assert (status, said.count('\n')) == (2, 0)
        assert 'already in use by another process' in said
    with project.serving():
        fine = (0, 'the configuration has no faults')
        assert project.command('check') == fine
        text = (project.folder / 'granian.toml').read_text()
        (project.folder / 'granian.toml').write_text(text.replace('127.0.0.2', '0.0.0.0'))
        assert project.command('check') == fine
        (project.folder / 'granian.toml').write_text(text.replace('granian.pid', 'other.pid'))
        assert 'already in use' in project.command('check')[1]


def test_a_server_that_stops_is_not_reloaded(project):
    with (
        project.serving() as server,
        contextlib.closing(http.client.HTTPConnection('127.0.0.1', server.port, timeout=20)) as slow,
    ):
        slow.request('GET', '/held')
        server.wait_for('^held$')
        server.send_signal(signal.SIGTERM)
        server.wait_for('Shutting down')
        assert project.command('reload') == (1, 'the server is stopping')
        assert project.command('upgrade') == (1, 'the server is stopping')
        (project.folder / 'fifo').write_bytes(b'finished')
        assert slow.getresponse().read() == b'finished'
        assert server.log.count('Started worker') == 1


@pytest.mark.skipif(sys.platform != 'linux', reason='needs prlimit')
def test_without_descriptors_nothing_is_done_and_nothing_ends(project):
    with project.serving() as server:
        supervisor = psutil.Process(server.pid)
        _, hard = before = supervisor.rlimit(psutil.RLIMIT_NOFILE)
        supervisor.rlimit(psutil.RLIMIT_NOFILE, (3, hard))
        server.send_signal(signal.SIGHUP)
        server.wait_for('Not reloaded, generation 1 goes on: the configuration could not be read: too many open files')
        server.send_signal(signal.SIGUSR2)
        server.wait_for('Not upgraded, this process goes on: .*: too many open files')
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(project.command, 'reload')
            server.wait_for('A command was not taken: too many open files')
            supervisor.rlimit(psutil.RLIMIT_NOFILE, before)
            assert asked.result() == (0, 'generation 2 serves')
        assert get(server.port) == 'one'


def test_the_control_socket_is_where_the_pid_file_is_and_made_anew_where_it_is_gone(project):
    project.write(server='pid_file = "one.pid"')
    with project.serving() as server:
        project.write(server='pid_file = "two.pid"')
        project.reload(server)
        assert project.command('status')[0] == 0
        assert not (project.folder / 'one.control').exists()
        (project.folder / 'two.control').unlink()
        project.reload(server, count=2)
        assert project.command('status')[0] == 0


def test_without_a_server_the_command_says_so(project):
    status, said = project.command('reload')
    assert status == 1
    assert said.startswith('no server answers at ')


def test_a_control_socket_that_cannot_be_made_is_no_reason_not_to_serve(project):
    project.write(server='control = "no/such/place.sock"')
    with project.serving() as server:
        server.wait_for('No control socket, .*: no such directory|No control socket, .*no such file')
        assert get(server.port) == 'one'


# ── more and fewer workers, log files ────────────────────────────────────────────────────────────────────────────────


def test_ttin_and_ttou_change_the_number_of_workers_and_leave_the_others_alone(project):
    project.write(workers=2)
    with project.serving() as server:
        before = server.worker_pids()
        server.send_signal(signal.SIGTTIN)
        server.wait_for('Workers: 3')
        assert set(before) < set(server.worker_pids())
        assert len({get(server.port, '/pid') for _ in range(60)}) == 3
        server.send_signal(signal.SIGTTOU)
        server.wait_for('Workers: 2')
        server.send_signal(signal.SIGTTOU)
        server.wait_for('Workers: 1')
        wait_until(lambda: len(server.worker_pids()) == 1)
        assert {int(get(server.port, '/pid')) for _ in range(60)} == set(server.worker_pids())
        server.send_signal(signal.SIGTTOU)
        server.wait_for('Workers stay at 1')


def test_usr1_opens_log_files_again_here_and_in_the_workers(project):
    handlers = {
        name: {'class': 'logging.FileHandler', 'filename': f'{name}.log', 'formatter': formatter}
        for name, formatter in (('console', 'generic'), ('access', 'access'))
    }
    (project.folder / 'log.json').write_text(json.dumps({'handlers': handlers}))
    project.write(logging='config = "log.json"\naccess = {enabled = true, format = "%(path)s"}')
    server = launch('serve', '-c', 'granian.toml', cwd=project.folder)
    try:
        own, access = project.folder / 'console.log', project.folder / 'access.log'
        wait_until(lambda: own.exists() and 'Started worker-1' in own.read_text())
        port = int(own.read_text().split('127.0.0.1:')[1].split('\n')[0])
        get(port, '/first')
        own.rename(project.folder / 'old.log')
        access.rename(project.folder / 'old-access.log')
        server.send_signal(signal.SIGUSR1)
        wait_until(lambda: own.exists() and access.exists())
        get(port, '/second')
        wait_until(lambda: '/second' in access.read_text())
        assert '/second' not in (project.folder / 'old-access.log').read_text()
        assert 'Log files opened again' in own.read_text()
        server.stop()
    finally:
        if not server.process.stdout.closed:
            server.kill_all()
