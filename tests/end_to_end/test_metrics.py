"""Numbers of a server that runs, read as Prometheus reads them."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.test_python_api import program
from tests.end_to_end.test_reload import Project, get, wait_until
from tests.helpers.server import Server, launch, run_to_end, running_server, server_environment, wait_gone

METRICS = '[metrics]\nenabled = true\nbind = "{bind}"\nscrape_interval = 1\n'


# Memory that processes share, as the kernel calls it.
SHARED = '/dev/zero'


class Unix(http.client.HTTPConnection):
    """`unix:/path` for an address."""

    def __init__(self, path):
        super().__init__('localhost')
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self._path)


def connection_to(bind):
    if bind.startswith('unix:'):
        return Unix(bind.removeprefix('unix:'))
    host, _, port = bind.rpartition(':')
    return http.client.HTTPConnection(host.strip('[]'), int(port), timeout=20)


def ask(bind, path='/metrics', method='GET'):
    connection = connection_to(bind)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode()
    finally:
        connection.close()


def scrape(bind):
    """By name without `granian_`: the number, or those of the workers by theirs."""
    status, headers, text = ask(bind)
    assert (status, headers['content-type']) == (200, 'text/plain; version=0.0.4; charset=utf-8')
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # The parser calls counters as OpenMetrics does.
            name = sample.name.removeprefix('granian_').removesuffix('_total')
            worker = sample.labels.get('worker')
            if worker is None:
                found[name] = sample.value
            else:
                found.setdefault(name, {})[int(worker)] = sample.value
    return found


def where(server, count=1):
    """The address of the metrics, as the log has it."""
    return server.wait_for(r'Metrics at: (?:http://)?(.*)$', count=count).group(1)


class Metered(Project):
    def measure(self, bind='127.0.0.1:0', **more):
        """With metrics there."""
        self.write(**more)
        path = self.folder / 'granian.toml'
        path.write_text(path.read_text() + METRICS.format(bind=bind))
        return self

    def exporter(self):
        """The process that serves them."""
        status, said = self.command('status')
        assert status == 0, said
        return int(re.search(r'^metrics: process (\d+), (?!leaving)', said, re.MULTILINE).group(1))


@pytest.fixture
def project(tmp_path):
    return Metered(tmp_path)


@pytest.mark.parametrize('workers', [1, 3])
def test_what_curl_gets_is_what_was_done(project, workers):
    with project.measure(workers=workers).serving() as server:
        bind = where(server)
        for _ in range(20):
            get(server.port, '/')

        wait_until(lambda: sum(scrape(bind)['requests_handled'].values()) == 20)
        found = scrape(bind)
        assert set(found['worker_lifetime']) == set(range(1, workers + 1))
        assert sum(found['connections_handled'].values()) == 20
        assert found['workers_spawns'] == workers
        assert found['workers_respawns_for_err'] == 0
        said = subprocess.run(
            ['curl', '-sS', f'http://{bind}/metrics'], capture_output=True, text=True, timeout=20, check=True
        )
        assert '# HELP granian_workers_spawns ' in said.stdout


@pytest.mark.parametrize(('path', 'method'), [('/', 'GET'), ('/any/thing?x', 'GET'), ('/metrics', 'POST')])
def test_every_path_and_method_is_answered(project, path, method):
    with project.measure().serving() as server:
        status, _, text = ask(where(server), path, method)

        assert status == 200
        assert 'granian_workers_spawns 1\n' in text


def test_head_has_no_body_and_nonsense_is_refused(project):
    with project.measure().serving() as server:
        bind = where(server)
        status, headers, text = ask(bind, method='HEAD')
        assert (status, text) == (200, '')
        assert int(headers['content-length']) > 100
        host, port = bind.split(':')
        with socket.create_connection((host, int(port)), 20) as client:
            client.sendall(b'nonsense\r\n\r\n')
            assert client.recv(100).startswith(b'HTTP/1.1 400')


def test_by_default_nobody_listens_and_there_is_no_process_and_no_memory_for_it(project):
    project.write()
    with project.serving() as server:
        assert len(server.worker_pids()) == 1
        assert SHARED not in Path(f'/proc/{server.pid}/maps').read_text()
        listening = {
            connection.laddr.port
            for pid in [server.pid, *server.worker_pids()]
            for connection in psutil.Process(pid).net_connections('tcp')
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {server.port}
        assert 'Metrics at' not in server.log


def test_what_was_counted_until_somebody_asks_is_there_when_somebody_does(project):
    project.write()
    with project.serving() as server:
        project.measure()
        assert project.command('reload')[0] == 0
        assert SHARED in Path(f'/proc/{server.pid}/maps').read_text()
        assert scrape(where(server))['workers_spawns'] == 2


def test_a_port_that_is_taken_refuses_the_start_in_one_line(project):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        bind = f'127.0.0.1:{taken.getsockname()[1]}'
        project.measure(bind)
        status, log = run_to_end('serve', '-c', 'granian.toml', cwd=project.folder)

    assert status == 1
    assert log.splitlines()[-1].endswith(f'metrics.bind: {bind}: already in use by another process')
    assert 'Traceback' not in log


@pytest.mark.parametrize('bind', ['[::1]:0', '*:0', 'unix:m.sock'])
def test_other_addresses(project, bind):
    if bind == '[::1]:0' and not _has_ipv6():
        pytest.skip('this machine has no ::1')
    with project.measure(bind).serving() as server:
        assert scrape(where(server))['workers_spawns'] == 1
    assert not (project.folder / 'm.sock').exists()


def _has_ipv6():
    try:
        socket.create_server(('::1', 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_workers_that_are_replaced_are_counted_and_begin_anew(project):
    server_keys = 'workers_max_requests = 5\nrespawn_interval = 0\nrespawn_failed_workers = true'
    with project.measure(server=server_keys).serving() as server:
        bind = where(server)
        for _ in range(5):
            before = int(get(server.port, '/pid'))
        wait_gone([before])
        wait_until(lambda: scrape(bind)['workers_respawns_for_requests'] == 1)
        now = int(get(server.port, '/pid'))
        wait_until(lambda: scrape(bind)['requests_handled'] == {1: 1})

        os.kill(now, signal.SIGKILL)
        wait_until(lambda: scrape(bind)['workers_respawns_for_err'] == 1)
        assert scrape(bind)['workers_spawns'] == 3


def test_after_a_reload_the_new_workers_are_shown_on_the_same_listener(project):
    with project.measure(workers=2).serving() as server:
        bind, process = where(server), project.exporter()
        get(server.port, '/')
        wait_until(lambda: sum(scrape(bind)['requests_handled'].values()) == 1)
        server.send_signal(signal.SIGHUP)
        server.wait_for('Reloaded: generation 2 serves')

        found = scrape(bind)
        assert sum(found['requests_handled'].values()) == 0
        assert set(found['requests_handled']) == {1, 2}
        assert (found['workers_spawns'], found['workers_respawns_for_err']) == (4, 0)
        assert project.exporter() == process


def test_a_reload_brings_moves_and_takes_away_the_listener(project):
    with project.measure().serving() as server:
        first = where(server)
        project.measure('unix:m.sock')
        server.send_signal(signal.SIGHUP)
        second = where(server, 2)
        server.wait_for('Reloaded: generation 2 serves')
        wait_until(lambda: scrape(second)['workers_spawns'] == 2)
        wait_until(lambda: _refuses(first))

        project.write()
        server.send_signal(signal.SIGHUP)
        server.wait_for('Reloaded: generation 3 serves')
        wait_until(lambda: len(server.worker_pids()) == 1)
        assert _refuses(second)

        project.measure(first)
        server.send_signal(signal.SIGHUP)
        server.wait_for('Reloaded: generation 4 serves')
        wait_until(lambda: set(scrape(first).get('requests_handled', ())) == {1})


def test_the_port_is_free_once_the_reload_is_told_although_somebody_reads_no_further(project):
    with project.measure().serving() as server:
        host, port = where(server).split(':')
        with socket.create_connection((host, int(port)), 20) as slow:
            slow.sendall(b'GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /')
            assert slow.recv(100).startswith(b'HTTP/1.1 200')
            project.write()
            assert project.command('reload')[0] == 0
            socket.create_server((host, int(port))).close()


def test_listener_and_metrics_change_places(project):
    with project.measure().serving() as server:
        metrics, port = where(server), server.port
        project.measure(f'127.0.0.1:{port}')
        path = project.folder / 'granian.toml'
        path.write_text(path.read_text().replace('"127.0.0.1:0"', f'"{metrics}"'))
        assert project.command('reload')[0] == 0
        assert where(server, 2) == f'127.0.0.1:{port}'
        wait_until(lambda: set(scrape(f'127.0.0.1:{port}')['worker_lifetime']) == {1})
        assert get(int(metrics.rpartition(':')[2])) == 'one'
        wait_until(lambda: ', serving, generation 2' in project.command('status')[1].partition('metrics: ')[2])


def _refuses(bind):
    try:
        ask(bind)
    except (ConnectionError, FileNotFoundError):
        return True
    return False


def test_more_and_fewer_workers(project):
    with project.measure().serving() as server:
        bind = where(server)
        server.send_signal(signal.SIGTTIN)
        server.wait_for('Workers: 2')
        assert set(scrape(bind)['worker_lifetime']) == {1, 2}
        server.send_signal(signal.SIGTTOU)
        server.wait_for('Workers: 1')
        assert set(scrape(bind)['worker_lifetime']) == {1}


def test_an_upgrade_keeps_the_listener(project):
    project.measure(server='pid_file = "pid"')
    command = [sys.executable, '-m', 'granian', 'serve', '-c', 'granian.toml']
    server = Server(command, cwd=project.folder, env=server_environment(), own_group=True)
    try:
        server.wait_ready()
        bind = where(server)
        before = server.worker_pids()
        server.send_signal(signal.SIGUSR2)
        server.wait_for('serves in our place, finishing')
        assert server.process.wait(20) == 0
        wait_gone(before)
        wait_until(lambda: set(scrape(bind)['worker_lifetime']) == {1})
        assert scrape(bind)['workers_spawns'] == 1
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.kill_all()


def test_whoever_serves_them_is_replaced_when_killed_and_nobody_else_is_disturbed(project):
    with project.measure().serving() as server:
        bind, process = where(server), project.exporter()
        worker = int(get(server.port, '/pid'))
        os.kill(process, signal.SIGKILL)
        server.wait_for('Unexpected exit from the process that serves metrics: killed by SIGKILL')
        wait_until(lambda: scrape(bind)['workers_spawns'] == 1)
        assert project.exporter() != process
        assert int(get(server.port, '/pid')) == worker


def test_when_the_supervisor_is_killed_nobody_is_left(project):
    project.measure()
    server = launch('serve', '-c', 'granian.toml', cwd=project.folder)
    try:
        server.wait_ready()
        where(server)
        family = server.worker_pids()
        assert len(family) == 2
        server.process.kill()
        wait_gone(family)
        server.wait_ended()
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


def test_arguments_of_a_program(project):
    with program(project.folder, arguments='metrics_enabled=True, metrics_port=0, metrics_scrape_interval=1') as server:
        server.wait_for('Started worker-1')
        bind = where(server)
        get(server.port, '/')
        wait_until(lambda: scrape(bind)['requests_handled'] == {1: 1})
        server.stop()


def test_flags_and_auto_reload(project):
    arguments = ('--interface', 'asgi', '--metrics', '--metrics-port', '0', 'main:app')
    with running_server(*arguments, cwd=project.folder) as server:
        assert scrape(where(server))['workers_spawns'] == 1
    with running_server('--reload', *arguments, cwd=project.folder) as server:
        server.wait_for('metrics are left out: they are not served with auto reload')
        assert 'Metrics at' not in server.log
