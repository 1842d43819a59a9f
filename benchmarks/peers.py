"""The servers, as data: what to install into an environment of its own, and how each is started at its best."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ENVIRONMENTS = HERE / '.peers'
VERSION_CODE = "import platform; print(platform.python_implementation().lower() + '-' + platform.python_version())"


class BenchmarkError(Exception):
    """Something the person who runs the benchmarks can put right; its text is the whole message."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server: pip requirements, its command (`{port}`, `{target}`, `{interface}`, `{options}` filled in), the rows it knows."""

    name: str
    requirements: tuple[str, ...]
    command: str  # arguments of the environment's Python, split at blanks
    package: str  # whose version is printed
    interfaces: tuple[str, ...] = ('asgi',)
    only_rows: tuple[str, ...] = ()  # empty: all rows of its interfaces


# What upstream documents, so the same for ours and the Rust server; only --http and --ws are the latter's best settings
# (no sniffing for HTTP/2, no WebSocket check; --runtime-mode st is no faster).
_GRANIAN = (
    '-m granian --interface {interface} --host 127.0.0.1 --port {port} --workers 1 --loop uvloop --log-level warning'
)
_LEAN = '--http 1 --no-ws'
_INTERFACES = ('asgi', 'rsgi', 'wsgi')
_RUST = ('granian==2.8.7', 'uvloop')
_UVICORN = (
    '-m uvicorn --host 127.0.0.1 --port {port} --loop uvloop --http httptools --no-access-log --log-level warning'
)
_GUNICORN = (
    '-m gunicorn --bind 127.0.0.1:{port} --workers 1 --worker-class asgi --log-level warning --no-control-socket'
)
_HANDSHAKES = ('tls-handshake-full-ec', 'tls-handshake-full-rsa', 'tls-handshake-resumed-ec')
_FLOOR_ROWS = ('asgi-get-10b-bare', 'asgi-get-10b-browser', 'asgi-get-10b-unique', 'asgi-idle-1-worker')

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer('ours', ('-e', str(ROOT)), f'{_GRANIAN} {{options}} {{target}}', 'granian', _INTERFACES),
        Peer(
            'ours-1-mount',
            ('-e', str(ROOT)),
            f'{_GRANIAN} {{target}}',
            'granian',
            only_rows=('asgi-get-10b-200-mounts',),
        ),
        Peer('rust', _RUST, f'{_GRANIAN} {_LEAN} {{options}} {{target}}', 'granian', _INTERFACES),
        # Before Python 3.12 its own tasks cost a little less on a get and twice as much on an echo: asked for by name.
        Peer('rust-task', _RUST, f'{_GRANIAN} {_LEAN} --task-impl rust {{options}} {{target}}', 'granian'),
        Peer('uvicorn', ('uvicorn[standard]',), f'{_UVICORN} {{target}}', 'uvicorn'),
        Peer('gunicorn', ('gunicorn>=25', 'uvloop'), f'{_GUNICORN} {{target}}', 'gunicorn'),
        Peer('floor', ('uvloop',), 'floor.py {port}', 'uvloop', only_rows=_FLOOR_ROWS),
        Peer('floor-tls', ('uvloop',), 'floor_tls.py {port} {options}', 'uvloop', only_rows=_HANDSHAKES),
    )
}


@dataclass(frozen=True, slots=True)
class Environment:
    """A peer that is installed: the interpreter that runs it."""

    peer: Peer
    python: Path
    version: str


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(
            f'{" ".join(command)} ended with {done.returncode}:\n{(done.stderr or done.stdout)[-2000:]}'
        )
    return done.stdout.strip()


def python_version(python: str) -> str:
    """`cpython-3.13.0` for the interpreter at `python`."""
    if shutil.which(python) is None:
        raise BenchmarkError(f'no such Python: {python}')
    return _run([python, '-c', VERSION_CODE])


def _stamp(peer: Peer) -> str:
    project = hashlib.sha256((ROOT / 'pyproject.toml').read_bytes()).hexdigest() if '-e' in peer.requirements else ''
    return json.dumps([*peer.requirements, project])


def install(peer: Peer, python: str, *, fresh: bool = False) -> Environment:
    """Make (or find) the environment of `peer` for the interpreter `python`; `fresh` makes it anew."""
    folder = ENVIRONMENTS / python_version(python) / peer.name
    stamp = folder / 'installed.json'
    executable = folder / 'bin' / 'python'
    if fresh or not stamp.exists() or stamp.read_text() != _stamp(peer):
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run([python, '-m', 'venv', str(folder)])
        _run([str(executable), '-m', 'pip', 'install', '--quiet', *peer.requirements])
        stamp.write_text(_stamp(peer))
    code = f'import importlib.metadata; print(importlib.metadata.version({peer.package!r}))'
    return Environment(peer, executable, _run([str(executable), '-c', code]))
