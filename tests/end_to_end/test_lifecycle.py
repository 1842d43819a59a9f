from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import sys
import time

import psutil
import pytest

from granian.process.supervisor import SAME_REQUEST_S
from tests.helpers.server import Server, launch, run_to_end, running_server, server_environment, wait_gone

APP = """
import asyncio, os

async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        while True:
            message = await receive()
            say(f'{message["type"]} {os.getpid()}')
            await send({'type': message['type'] + '.complete'})
            if message['type'] == 'lifespan.shutdown':
                return
    body = str(os.getpid()).encode()
    if scope['path'] == '/held':
        say('held')
        body = await asyncio.get_running_loop().run_in_executor(None, read_fifo)
    elif scope['path'] == '/stuck':
        say('stuck')
        await asyncio.Event().wait()
    elif scope['path'] == '/blocked':
        say('blocked')
        read_fifo()
    elif scope['path'] == '/env':
        body = os.environ.get('SHOP_COLOUR', '').encode()
    elif scope['path'] == '/die':
        os._exit(7)
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': body})

def say(text):
    # In one piece, although other workers write too.
    os.write(1, f'{text}\\n'.encode())

def read_fifo():
    with open('fifo', 'rb') as fifo:
        return fifo.read()
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / 'main.py').write_text(APP)
    os.mkfifo(tmp_path / 'fifo')
    return tmp_path


def get(port: int, path: str = '/', host: str = '127.0.0.1') -> bytes:
    connection = http.client.HTTPConnection(host, port, timeout=20)
    with contextlib.closing(connection):
        connection.request('GET', path)
        return connection.getresponse().read()


@contextlib.contextmanager
def asking(port: int, path: str):
    """A request whose answer is not read yet."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=20)
    with contextlib.closing(connection):
        connection.request('GET', path)
        yield connection


def serving(project, *arguments: str, **options):
    return running_server('--interface', 'asgi', *arguments, 'main:app', cwd=project, **options)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_with_status_0(project, number):
    with serving(project) as server:
        assert get(server.port) == str(server.worker_pids()[0]).encode()
        server.stop(number)
    assert server.lines[-1] == '[INFO] Granian shutdown completed, see ya!'


def test_the_log_tells_what_was_started(project):
    with serving(project, '--workers', '2') as server:
        pass
    pid, port = server.pid, server.port
    assert server.lines[0] == f'[INFO] Starting granian (main PID: {pid})'
    assert server.lines[1] == f'[INFO] Listening at: http://127.0.0.1:{port}'
    assert re.fullmatch(
        r'\[INFO\] HTTP/1 engine: fast, HTTP/2 engine: \w+, WebSocket engine: \w+, loop: \w+, workers: 2',
        server.lines[2],
    )
    assert sorted(line for line in server.lines if 'Started' in line) == [
        '[INFO] Started worker-1',
        '[INFO] Started worker-2',
    ]


def test_without_the_log_nothing_is_said(project):
    server = launch('--interface', 'asgi', '--no-log', 'main:app', cwd=project)
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill_all)
        server.wait_for('lifespan.startup')
        server.stop()
        stack.pop_all()
    assert not [line for line in server.lines if not line.startswith('lifespan.')]


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop', 'auto'])
def test_the_loop_that_was_asked_for_is_told_and_used(project, loop):
    (project / 'looped.py').write_text(
        APP.replace('body = str(os.getpid())', 'body = type(asyncio.get_running_loop()).__module__')
    )
    with running_server('--interface', 'asgi', '--loop', loop, 'looped:app', cwd=project) as server:
        chosen = server.wait_for(r'loop: (\w+)').group(1)
        assert get(server.port).decode().split('.')[0] == chosen
        assert chosen == loop or (loop == 'auto' and chosen == 'uvloop')


def test_three_workers_share_the_connections(project):
    with serving(project, '--workers', '3') as server:
        answered = {get(server.port) for _ in range(60)}
        assert answered == {str(pid).encode() for pid in server.worker_pids()}
        assert len(answered) == 3


def test_each_worker_starts_and_stops_its_own_application(project):
    with serving(project, '--workers', '2') as server:
        pids = {str(pid) for pid in server.worker_pids()}
    for event in ('lifespan.startup', 'lifespan.shutdown'):
        assert {line.split()[1] for line in server.lines if line.startswith(event)} == pids


def test_a_second_server_on_the_port_is_refused_in_one_line(project):
    with serving(project, '--workers', '2') as server:
        status, output = run_to_end(
            '--interface', 'asgi', '--workers', '2', '--port', str(server.port), 'main:app', cwd=project
        )
        assert status == 1
        assert output.splitlines()[1:] == [
            f'listeners[0].bind: 127.0.0.1:{server.port}: already in use by another process'
        ]
        assert get(server.port)


def test_a_stop_lets_a_request_in_progress_finish_and_refuses_new_ones(project):
    with serving(project) as server, asking(server.port, '/held') as slow:
        server.wait_for('^held$')
        server.send_signal(signal.SIGTERM)
        server.wait_for('Shutting down granian')
        wait_refused(server.port)
        (project / 'fifo').write_bytes(b'finished')
        assert slow.getresponse().read() == b'finished'
        assert server.wait_ended() == 0
    assert any(line.startswith('lifespan.shutdown') for line in server.lines)


def wait_refused(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(('127.0.0.1', port), timeout=1).close()
        except OSError:
            return
    raise AssertionError('connections are still taken')


def test_a_request_that_takes_too_long_is_cut_at_the_graceful_timeout(project):
    (project / 'granian.toml').write_text(
        '[server]\ngraceful_timeout = "300ms"\n[[listeners]]\nbind = "127.0.0.1:0"\n'
        '[[apps]]\ntarget = "main:app"\ninterface = "asgi"\n'
    )
    with running_server('serve', '-c', 'granian.toml', cwd=project) as server, asking(server.port, '/stuck') as slow:
        server.wait_for('^stuck$')
        server.send_signal(signal.SIGTERM)
        with pytest.raises((http.client.HTTPException, OSError)):
            slow.getresponse()
        assert server.wait_ended() == 0


def test_a_worker_that_does_not_stop_is_killed_after_the_kill_timeout(project):
    with serving(project, '--workers-kill-timeout', '1') as server, asking(server.port, '/blocked'):
        server.wait_for('^blocked$')
        server.stop()
    assert '[WARNING] Killing worker-1 after it refused to gracefully stop' in server.lines


def test_a_second_signal_ends_it_at_once(project):
    with serving(project) as server, asking(server.port, '/stuck'):
        server.wait_for('^stuck$')
        server.send_signal(signal.SIGINT)
        server.wait_for('Shutting down granian')
        # Before, it would count as the same request to stop.
        time.sleep(SAME_REQUEST_S + 0.05)
        server.stop(signal.SIGINT)
    assert '[WARNING] Killing worker-1 on a second signal' in server.lines


def test_the_same_request_to_stop_sent_twice_stays_graceful(project):
    with serving(project) as server, asking(server.port, '/held') as slow:
        server.wait_for('^held$')
        server.send_signal(signal.SIGTERM)
        server.send_signal(signal.SIGTERM)
        (project / 'fifo').write_bytes(b'finished')
        assert slow.getresponse().read() == b'finished'
        assert server.wait_ended() == 0


@pytest.mark.parametrize('attempt', range(5))
def test_an_interrupt_of_the_terminal_reaches_all_processes_and_is_one_clean_stop(project, attempt):
    command = [sys.executable, '-m', 'granian', '--interface', 'asgi', '--port', '0', '--workers', '3', 'main:app']
    server = Server(command, cwd=project, env=server_environment(), own_group=True)
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill_all)
        server.wait_ready()
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait_ended() == 0
        stack.pop_all()
    assert len([line for line in server.lines if line.startswith('lifespan.shutdown')]) == 3
    assert 'Unexpected' not in server.log


def test_a_worker_that_somebody_else_stops_is_a_dead_worker(project):
    with serving(project, status=1) as server:
        os.kill(server.worker_pids()[0], signal.SIGTERM)
        server.wait_for('Unexpected exit from worker-1: exited with status 0')
        assert server.wait_ended() == 1


def test_a_dead_worker_ends_the_server_with_status_1(project):
    with serving(project, '--workers', '2', status=1) as server:
        os.kill(server.worker_pids()[0], signal.SIGKILL)
        server.wait_for(r'^\[ERROR\] Unexpected exit from worker-[12]: killed by SIGKILL$')
        assert server.wait_ended() == 1
    assert server.lines[-1] == '[INFO] Granian shutdown completed, see ya!'


def test_a_dead_worker_is_replaced_and_serves_on_the_same_port(project):
    with serving(project, '--workers', '2', '--respawn-failed-workers') as server:
        before = server.worker_pids()
        os.kill(before[0], signal.SIGKILL)
        server.wait_for(r'Unexpected exit from worker-[12]')
        server.wait_for(r'Started worker-', count=3)
        after = server.worker_pids()
        assert len(set(before) & set(after)) == 1
        assert {get(server.port) for _ in range(40)} == {str(pid).encode() for pid in after}


def test_what_waits_in_the_backlog_of_a_dead_worker_is_served_by_its_replacement(project):
    with serving(project, '--respawn-failed-workers') as server:
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGSTOP)
        with asking(server.port, '/') as waiting:
            os.kill(worker, signal.SIGKILL)
            assert waiting.getresponse().read() == str(server.worker_pids()[0]).encode()


def test_a_crash_loop_ends_the_server(project):
    with serving(project, '--respawn-failed-workers', status=1) as server:
        for count in (1, 2):
            server.wait_for('Started worker-1', count=count)
            with contextlib.suppress(OSError, http.client.HTTPException):
                get(server.port, '/die')
        server.wait_for('Unexpected exit from worker-1: exited with status 7', count=2)
        server.wait_for('Worker crash loop detected, exiting')
        assert server.wait_ended() == 1


def test_workers_end_when_the_supervisor_is_killed(project):
    with serving(project, '--workers', '2', status=-signal.SIGKILL) as server:
        workers = server.worker_pids()
        server.send_signal(signal.SIGKILL)
        wait_gone(workers)
        server.wait_ended()
    assert len([line for line in server.lines if line.startswith('lifespan.shutdown')]) == 2


@pytest.mark.parametrize('workers', ['1', '3'])
@pytest.mark.parametrize(
    ('target', 'code', 'message', 'traceback'),
    [
        ('absent:app', None, "Could not import 'absent'.", False),
        ('broken:app', '\n1 / 0\n', "While importing 'broken', a ZeroDivisionError was raised: division by zero", True),
        ('empty:app', '\n', "'empty' has no attribute 'app'.", False),
        ('leaves:app', 'import os\nos._exit(3)\n', 'worker-1 exited with status 3 before it was ready', False),
    ],
)
def test_an_application_that_cannot_be_loaded_ends_it_with_the_reason_once(
    project, target, code, message, traceback, workers
):
    if code is not None:
        (project / f'{target.split(":")[0]}.py').write_text(code)
    status, output = run_to_end(
        '--interface', 'asgi', '--workers', workers, '--respawn-failed-workers', target, cwd=project
    )
    assert status == 1
    assert output.splitlines()[-1] == re.sub(
        'worker-1', re.search(r'worker-\d|$', output).group() or 'worker-1', message
    )
    assert output.count('Traceback') == traceback
    assert 'Started' not in output


def test_an_application_that_refuses_to_start_ends_it_with_its_message(project):
    (project / 'refuses.py').write_text(
        'async def app(scope, receive, send):\n'
        '    await receive()\n'
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    status, output = run_to_end('--interface', 'asgi', '--respawn-failed-workers', 'refuses:app', cwd=project)
    assert status == 1
    assert output.count('no database') == 1
    assert 'Traceback' not in output


def test_a_stop_while_applications_still_start_is_obeyed(project):
    (project / 'slow.py').write_text(
        'import asyncio\n'
        'async def app(scope, receive, send):\n'
        "    print('starting', flush=True)\n"
        '    await asyncio.Event().wait()\n'
    )
    server = launch('--interface', 'asgi', 'slow:app', cwd=project)
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill_all)
        server.wait_for('^starting$')
        server.stop()
        stack.pop_all()


def test_a_stop_during_an_import_is_obeyed(project):
    (project / 'slow.py').write_text("print('importing', flush=True)\nopen('fifo').read()\n")
    server = launch('--interface', 'asgi', 'slow:app', cwd=project)
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill_all)
        server.wait_for('^importing$')
        server.stop()
        stack.pop_all()


def test_env_files_reach_the_application_but_override_nothing(project):
    (project / '.env').write_text('SHOP_COLOUR=green\n')
    with serving(project, '--env-files', '.env') as server:
        assert get(server.port, '/env') == b'green'
    with serving(project, '--env-files', '.env', env={'SHOP_COLOUR': 'red'}) as server:
        assert get(server.port, '/env') == b'red'


def test_the_working_dir_is_importable_and_not_changed_into(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp('elsewhere')
    os.mkfifo(elsewhere / 'fifo')
    with running_server('--interface', 'asgi', '--working-dir', str(project), 'main:app', cwd=elsewhere) as server:
        assert psutil.Process(server.worker_pids()[0]).cwd() == str(elsewhere)


def test_the_pid_file_is_there_meanwhile(project):
    path = project / 'granian.pid'
    with serving(project, '--pid-file', str(path)) as server:
        assert path.read_text().strip() == str(server.pid)
        status, output = run_to_end('--interface', 'asgi', '--pid-file', str(path), 'main:app', cwd=project)
        assert status == 1
        assert output.splitlines()[-1] == f'The PID file {path} already exists for {server.pid}'
    assert not path.exists()


def test_a_process_name_is_the_title_of_every_process(project):
    with serving(project, '--process-name', 'shop') as server:
        assert psutil.Process(server.pid).cmdline()[0] == 'shop'
        assert psutil.Process(server.worker_pids()[0]).cmdline()[0] == 'shop worker-1'


def test_without_a_name_the_title_says_what_is_served(project):
    with serving(project) as server:
        assert psutil.Process(server.pid).cmdline()[0] == f'granian asgi 127.0.0.1:{server.port} main:app'
        assert (
            psutil.Process(server.worker_pids()[0]).cmdline()[0]
            == f'granian asgi 127.0.0.1:{server.port} main:app worker-1'
        )


@pytest.mark.parametrize(
    'arguments',
    [
        ('--task-impl', 'rust'),
        ('--runtime-threads', '2'),
        ('--runtime-mode', 'st'),
        ('--runtime-blocking-threads', '4'),
    ],
)
def test_an_option_without_a_meaning_here_gives_a_warning(project, arguments):
    with serving(project, *arguments) as server:
        pass
    assert len([line for line in server.lines if line.startswith('[WARNING]') and arguments[0][2:6] in line]) == 1


def test_a_log_config_is_merged_and_a_broken_one_refused(project):
    config = project / 'log.json'
    config.write_text('{"formatters": {"generic": {"format": "own|%(message)s"}, "access": {"format": "%(message)s"}}}')
    server = launch('--interface', 'asgi', '--log-config', 'log.json', 'main:app', cwd=project)
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill_all)
        server.wait_for(r'^own\|Started worker-1$')
        server.stop()
        stack.pop_all()
    config.write_text('{"handlers": {"console": {"class": "no.such.Handler"}}}')
    status, output = run_to_end('--interface', 'asgi', '--log-config', 'log.json', 'main:app', cwd=project)
    assert status == 2
    assert output.startswith("flag --log-config: logging.config: Unable to configure handler 'console'")
    assert output.endswith('\n1 flag has faults; nothing was started')


def test_exit_handlers_and_threads_of_the_application_come_to_their_end(project):
    (project / 'tidy.py').write_text(
        APP + "\nimport atexit, os, threading\natexit.register(print, 'handler ran', flush=True)\n"
        'done = threading.Event()\natexit.register(done.set)\n'
        "threading.Thread(target=lambda: os.write(1, b'thread ran\\n')).start()\n"
    )
    with running_server('--interface', 'asgi', 'tidy:app', cwd=project) as server:
        pass
    assert server.lines.count('handler ran') == 1
    assert server.lines.count('thread ran') == 1


def test_the_access_log_is_written_by_the_workers(project):
    with serving(project, '--access-log', '--access-log-fmt', '%(method)s %(path)s %(status)d') as server:
        get(server.port, '/some?query')
        server.wait_for(r'^GET /some 200$')


@pytest.mark.parametrize('stderr', ['', ' 2>/dev/full'], ids=['full', 'both full'])
def test_a_full_disk_under_the_log_is_told_once_and_serving_goes_on(project, stderr):
    granian = f'exec {sys.executable} -m granian --interface asgi --access-log --uds a.sock'
    server = Server(['sh', '-c', f'{granian} main:app >/dev/full{stderr}'], cwd=project, env=server_environment())
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill_all)
        for _ in range(3):
            ask_unix(project / 'a.sock')
        server.stop()
        stack.pop_all()
    told = [line.split(':')[0] for line in server.lines]
    assert told == ([] if stderr else ['[WARNING] _granian', '[WARNING] granian.access'])


def ask_unix(path) -> None:
    deadline = time.monotonic() + 20
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        while sock.connect_ex(str(path)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        sock.sendall(b'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
        assert sock.recv(65536).startswith(b'HTTP/1.1 200')
