from __future__ import annotations

import contextlib
import http.client
import os
import socket
import stat
import subprocess
import sys

import pytest

from tests.helpers.server import Server, run_to_end, running_server, server_environment

APP = """
import os

async def app(scope, receive, send):
    host, port = scope['server']
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': f'{host} {port} {os.getpid()}'.encode()})
"""
# As systemd does it: the socket is descriptor 3, the variables name the process that will be the server.
ACTIVATE = """
import os, socket, sys
names = sys.argv[1].split(':')
for number, name in enumerate(names):
    sock = socket.create_server(('127.0.0.1', 0))
    print('activated', name, sock.getsockname()[1], flush=True)
    if sock.fileno() != 3 + number:
        os.dup2(sock.fileno(), 3 + number)
    os.set_inheritable(3 + number, True)
    sock.detach()
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=sys.argv[1])
os.execv(sys.executable, [sys.executable, '-m', 'granian', *sys.argv[2:]])
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / 'main.py').write_text(APP)
    return tmp_path


def configured(project, *binds: str, server: str = ''):
    """Arguments that serve `main:app` on these addresses."""
    listeners = ''.join(f'[[listeners]]\nbind = "{bind}"\n' for bind in binds)
    text = f'[server]\n{server}\n{listeners}[[apps]]\ntarget = "main:app"\ninterface = "asgi"\nlifespan = "off"\n'
    (project / 'granian.toml').write_text(text)
    return 'serve', '-c', 'granian.toml'


def get(address: tuple[str, int] | str) -> list[str]:
    """What the application says of its server: host, port, process."""
    with socket.socket(socket.AF_UNIX) if isinstance(address, str) else socket.create_connection(address) as sock:
        sock.settimeout(20)
        if isinstance(address, str):
            sock.connect(address)
        sock.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
        response = http.client.HTTPResponse(sock)
        with contextlib.closing(response):
            response.begin()
            return response.read().decode().split()


def ports(server: Server, count: int) -> list[int]:
    return [
        int(server.wait_for(r'Listening at: \w+://.*:(\d+)$', count=number + 1).group(1)) for number in range(count)
    ]


def test_ipv6(project):
    with running_server(*configured(project, '[::1]:0'), cwd=project) as server:
        assert server.wait_for('Listening at: (.*)').group(1) == f'http://[::1]:{server.port}'
        assert get(('::1', server.port))[:2] == ['::1', str(server.port)]


def test_a_star_serves_ipv4_and_ipv6_on_one_port(project):
    with running_server(*configured(project, '*:0', server='workers = 2'), cwd=project) as server:
        assert len(set(ports(server, 2))) == 1
        get(('127.0.0.1', server.port))
        get(('::1', server.port))


def test_a_name_is_resolved(project):
    with running_server(*configured(project, 'localhost:0'), cwd=project) as server:
        assert get(('127.0.0.1', server.port))[0] == '127.0.0.1'


def test_several_listeners_each_know_their_own_address(project, tmp_path):
    path = str(tmp_path / 'a.sock')
    binds = ('127.0.0.1:0', f'unix:{path}', '127.0.0.1:0')
    with running_server(*configured(project, *binds), cwd=project) as server:
        first, second = ports(server, 2)
        assert first != second
        assert get(('127.0.0.1', first))[1] == str(first)
        assert get(('127.0.0.1', second))[1] == str(second)
        assert get(path)[:2] == [path, 'None']


def test_all_workers_share_the_port_the_kernel_chose(project):
    with running_server(*configured(project, '127.0.0.1:0', server='workers = 3'), cwd=project) as server:
        assert len({get(('127.0.0.1', server.port))[2] for _ in range(60)}) == 3


@pytest.mark.parametrize('workers', ['1', '3'])
def test_a_unix_socket_with_its_permissions_is_removed_at_the_end(project, workers):
    path = project / 'a.sock'
    arguments = (
        '--interface',
        'asgi',
        '--workers',
        workers,
        '--uds',
        'a.sock',
        '--uds-permissions',
        '0600',
        'main:app',
    )
    with running_server(*arguments, cwd=project) as server:
        server.wait_for(f'Listening at: unix:{path}$')
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        get(str(path))
        status, output = run_to_end(*arguments, cwd=project)
        assert status == 1
        assert output.splitlines()[-1] == f'listeners[0].bind: unix:{path}: already in use by another process'
        get(str(path))
    assert not path.exists()


def test_a_unix_socket_that_a_killed_server_left_is_replaced(project):
    path = project / 'a.sock'
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with running_server('--interface', 'asgi', '--uds', 'a.sock', 'main:app', cwd=project):
        get(str(path))


def test_a_replaced_worker_serves_the_shared_unix_socket(project):
    path = str(project / 'a.sock')
    arguments = configured(project, f'unix:{path}', server='respawn_failed_workers = true')
    with running_server(*arguments, cwd=project) as server:
        before = get(path)[2]
        os.kill(int(before), 9)
        server.wait_for('Started worker-1', count=2)
        assert get(path)[2] != before


def launched(command: list[str], project, env: dict[str, str] | None = None, pass_fds: tuple[int, ...] = ()) -> Server:
    return Server(command, cwd=project, env=server_environment(env), pass_fds=pass_fds)


def test_an_inherited_descriptor_is_served_by_all_workers(project):
    with socket.create_server(('127.0.0.1', 0)) as given, contextlib.ExitStack() as stack:
        arguments = configured(project, f'fd:{given.fileno()}', server='workers = 2')
        server = launched([sys.executable, '-m', 'granian', *arguments], project, pass_fds=(given.fileno(),))
        stack.callback(server.kill_all)
        server.wait_ready()
        assert server.port == given.getsockname()[1]
        assert get(('127.0.0.1', server.port))[1] == str(server.port)
        server.stop()
        stack.pop_all()


def test_sockets_of_systemd_are_found_by_name(project):
    arguments = configured(project, 'systemd:web')
    with contextlib.ExitStack() as stack:
        server = launched([sys.executable, '-c', ACTIVATE, 'admin:web', *arguments], project)
        stack.callback(server.kill_all)
        server.wait_ready()
        assert server.port == int(server.wait_for(r'activated web (\d+)').group(1))
        get(('127.0.0.1', server.port))
        server.stop()
        stack.pop_all()


def test_without_a_name_all_sockets_of_systemd_are_served(project):
    arguments = configured(project, 'systemd')
    with contextlib.ExitStack() as stack:
        server = launched([sys.executable, '-c', ACTIVATE, 'admin:web', *arguments], project)
        stack.callback(server.kill_all)
        server.wait_ready()
        for port in ports(server, 2):
            get(('127.0.0.1', port))
        server.stop()
        stack.pop_all()


@pytest.mark.parametrize(
    ('bind', 'message'),
    [
        ('systemd', 'systemd handed over no sockets (LISTEN_FDS is not set for this process)'),
        ('fd:99', 'no such descriptor was inherited'),
        ('192.0.2.1:80', 'not an address of this machine'),
        ('unix:/no/such/place/a.sock', 'no such directory'),
    ],
)
def test_an_address_that_cannot_be_had_is_one_line_and_status_1(project, bind, message):
    status, output = run_to_end(*configured(project, bind), cwd=project)
    assert status == 1
    assert output.splitlines()[1:] == [f'listeners[0].bind: {bind}: {message}']


def test_check_tells_what_cannot_be_imported_or_bound(project):
    (project / 'main.py').write_text('\nimport no_such_thing\n')
    with socket.create_server(('127.0.0.1', 0)) as taken:
        bind = f'127.0.0.1:{taken.getsockname()[1]}'
        arguments = configured(project, f'unix:{project}/a.sock', bind)
        ended = subprocess.run(
            [sys.executable, '-m', 'granian', 'check', *arguments[1:]],
            cwd=project, env=server_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 2
    why = "While importing 'main', an ImportError was raised: No module named 'no_such_thing'"
    # Before each: where the value stands.
    assert [line.partition(': ')[2] for line in ended.stderr.splitlines()[:2]] == [
        f'apps[0].target: {why} ({project}/main.py, line 2)',
        f'listeners[1].bind: {bind}: already in use by another process',
    ]
    assert not (project / 'a.sock').exists()
