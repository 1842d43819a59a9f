"""A server on which operations are tried: its files, the process, and what an operator does to it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import sys
from pathlib import Path

import psutil

from granian.errors import FatalError
from granian.process import control
from tests.helpers.certificates import Authority
from tests.helpers.server import Server, server_environment
from tests.helpers.sources import write_source

APP = """
import asyncio, os, time
VERSION = {version!r}
hoard = []

async def app(scope, receive, send):
    if scope['type'] == 'websocket':
        await receive()
        await send({{'type': 'websocket.accept'}})
        while (message := await receive())['type'] == 'websocket.receive':
            await send({{'type': 'websocket.send', 'text': message['text']}})
        return
    body = b''
    if scope['type'] == 'http':
        size, more = 0, scope['method'] == 'POST'
        while more:
            message = await receive()
            size += len(message.get('body', b''))
            more = message.get('more_body', False)
        body = str(size).encode() if scope['method'] == 'POST' else VERSION.encode()
    if scope['path'] == '/stall':
        time.sleep(3600)
    elif scope['path'] == '/hoard':
        hoard.append(b'x' * 150_000_000)
    elif scope['path'] == '/pid':
        body = str(os.getpid()).encode()
    await send({{'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'%d' % len(body))]}})
    await send({{'type': 'http.response.body', 'body': body}})
"""
FAULTY = ('[server]\nworkres = 2\n', '[[listeners]\n', '[server]\nworkers = "many"\n', '')
FAILING = ('1 / 0\n', 'import no_such_module\n', 'other = 1\n', 'import sys\nsys.exit(3)\n')


class Project:
    """`with Project(folder) as project`: a running server with a listener in clear, an encrypted one, and at times a third."""

    def __init__(self, folder: Path, *, workers: int = 2, loop: str = 'auto', **server: str) -> None:
        self.folder = folder
        self._server = {
            'workers': str(workers),
            'loop': f'"{loop}"',
            'graceful_timeout': '20',
            'pid_file': '"granian.pid"',
            **server,
        }
        self._extra_port = _free_port()
        self._ports: list[int] = []
        self.has_extra = False
        self._certificates = 0
        self._authority = Authority('root')

    def __enter__(self) -> Project:
        self.write_app('1')
        self.change_certificate()
        self.write_config()
        command = [sys.executable, '-m', 'granian', 'serve', '-c', 'granian.toml']
        self.server = Server(command, cwd=self.folder, env=server_environment(), own_group=True)
        self.server.wait_ready()
        for number in (1, 2):
            found = self.server.wait_for(r'Listening at: \w+://.*:(\d+)$', count=number)
            self._ports.append(int(found.group(1)))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor = psutil.Process(self.supervisor_pid)
            everyone = [supervisor, *supervisor.children(recursive=True)]
            supervisor.send_signal(signal.SIGTERM if kind is None else signal.SIGKILL)
            _, alive = psutil.wait_procs(everyone, timeout=40)
            for process in alive:
                process.kill()
            assert not alive or kind is not None, f'left behind: {alive}\n{self.server.log}'
        self.server.kill_all()

    @property
    def http_port(self) -> int:
        return self._ports[0]

    @property
    def https_port(self) -> int:
        return self._ports[1]

    @property
    def supervisor_pid(self) -> int:
        return int((self.folder / 'granian.pid').read_text())

    def worker_pids(self) -> list[int]:
        """Of the workers that serve, not of those on their way out."""
        return [int(pid) for pid in re.findall(r'process (\d+), serving', self.ask('status')[1])]

    def pid_of(self, name: str) -> int:
        """Of the worker of that name that has been there longest."""
        found = re.search(rf'^{name}: process (\d+), serving', self.ask('status')[1], re.MULTILINE)
        assert found is not None
        return int(found.group(1))

    # ── what an operator does ────────────────────────────────────────────────────────────────────────────────────

    def write_app(self, version: str) -> None:
        write_source(self.folder / 'main.py', APP.format(version=version))

    def change_certificate(self) -> None:
        self._certificates += 1
        issued = self._authority.issue(f'site-{self._certificates}.test')
        (self.folder / 'site.pem').write_text(issued.pem)
        (self.folder / 'site.key').write_text(issued.key_pem())

    def write_config(self, text: str | None = None) -> None:
        (self.folder / 'granian.toml').write_text(self._config() if text is None else text)

    def _config(self) -> str:
        lines = ['[server]', *[f'{key} = {value}' for key, value in self._server.items()]]
        lines += ['[[listeners]]', 'bind = "127.0.0.1:0"']
        lines += ['[[listeners]]', 'bind = "127.0.0.2:0"']
        lines += ['[listeners.tls]', 'certificate = "site.pem"', 'key = "site.key"']
        if self.has_extra:
            lines += ['[[listeners]]', f'bind = "127.0.0.1:{self._extra_port}"']
        lines += ['[[apps]]', 'target = "main:app"', 'interface = "asginl"']
        return '\n'.join(lines) + '\n'

    def ask(self, command: str) -> tuple[int, str]:
        try:
            return control.ask(self.folder / 'granian.control', command)
        except FatalError as exc:
            return 1, str(exc)

    async def do(self, command: str) -> tuple[int, str]:
        return await asyncio.get_running_loop().run_in_executor(None, self.ask, command)

    async def extra_port_answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection('127.0.0.1', self._extra_port)
        except OSError:
            return False
        writer.close()
        return True


async def get(port: int, path: str = '/') -> str:
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    writer.write(f'GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'.encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b'\r\n\r\n')[2].decode()


async def until(what, patience_s: float = 30.0) -> None:
    """Wait for something that comes by itself."""
    deadline = asyncio.get_running_loop().time() + patience_s
    while not await what():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return int(sock.getsockname()[1])
