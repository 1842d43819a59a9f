"""The examples of how a server is deployed, as far as they can be run without what they are for."""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from granian.config import load
from granian.process.plan.sections import KILL_AFTER_GRACE_S
from tests.helpers.server import Server, server_environment

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / 'examples' / 'deploy'
HELLO = ROOT / 'examples' / 'configs' / 'apps' / 'hello.py'
GRANIAN = Path(sys.executable).with_name('granian')
# As systemd does it: descriptor 3, and variables that name the process that will be the server.
ACTIVATE = """
import os, socket, sys
sock = socket.create_server(('127.0.0.1', 0))
print('activated', sock.getsockname()[1], flush=True)
if sock.fileno() != 3:
    os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
sock.detach()
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES=sys.argv[1])
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


def get(port, path='/'):
    with urllib.request.urlopen(f'http://127.0.0.1:{port}{path}', timeout=20) as response:
        return response.status


@contextlib.contextmanager
def started(command, *, cwd, env):
    server = Server(command, cwd=cwd, env=server_environment(env))
    try:
        yield server
    finally:
        if not server.process.stdout.closed:
            server.kill_all()


# ── systemd ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def unit(name):
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str
    parser.read(DEPLOY / 'systemd' / name)
    return parser


def seconds(text):
    return int(text.removesuffix('s'))


def test_units_are_accepted_by_systemd(tmp_path):
    if shutil.which('systemd-analyze') is None:
        pytest.skip('systemd-analyze is not installed')
    for name in ('granian.service', 'granian.socket'):
        text = (DEPLOY / 'systemd' / name).read_text()
        text = text.replace('/srv/shop/.venv/bin/granian', str(GRANIAN)).replace('/srv/shop', str(tmp_path))
        (tmp_path / name).write_text(text)
    command = ['systemd-analyze', 'verify', '--man=no', 'granian.service', 'granian.socket']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    # Of other units of this machine it may say what it likes.
    assert [line for line in done.stderr.splitlines() if 'granian' in line] == []
    assert done.returncode == 0


def test_units_fit_the_configuration_and_each_other():
    service, sockets = unit('granian.service')['Service'], unit('granian.socket')['Socket']
    config = load(files=[DEPLOY / 'systemd' / 'granian.toml'], flags={}, environ={}, cwd=ROOT).config
    assert config.listeners[0].bind.name == sockets['FileDescriptorName']
    assert seconds(service['TimeoutStopSec']) > config.server.graceful_timeout + KILL_AFTER_GRACE_S
    assert str(config.server.control).startswith(f'/run/{service["RuntimeDirectory"]}/')
    for key in ('ExecStart', 'ExecReload'):
        assert service[key].endswith(' -c /etc/granian/granian.toml')


def test_units_commands_serve_reload_and_stop(tmp_path):
    service = unit('granian.service')['Service']
    text = (DEPLOY / 'systemd' / 'granian.toml').read_text()
    config = tmp_path / 'granian.toml'
    config.write_text(text.replace('/run/granian', str(tmp_path)))
    shutil.copy(HELLO, tmp_path)
    arguments = {
        key: service[key].replace('/etc/granian/granian.toml', str(config)).split()[1:]
        for key in ('ExecStart', 'ExecReload')
    }
    name = unit('granian.socket')['Socket']['FileDescriptorName']
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / 'notify'))
        manager.settimeout(30)
        env = {'NOTIFY_SOCKET': str(tmp_path / 'notify')}
        command = [sys.executable, '-c', ACTIVATE, name, str(GRANIAN), *arguments['ExecStart']]
        with started(command, cwd=tmp_path, env=env) as server:
            port = int(server.wait_for(r'activated (\d+)').group(1))
            assert b'READY=1' in manager.recv(4096)
            assert get(port) == 200
            reload = [GRANIAN, *arguments['ExecReload']]
            subprocess.run(reload, cwd=tmp_path, env=server_environment(env), check=True, timeout=60)
            assert b'RELOADING=1' in manager.recv(4096)
            assert b'READY=1' in manager.recv(4096)
            assert get(port) == 200
            server.send_signal(signal.SIGTERM)
            assert b'STOPPING=1' in manager.recv(4096)
            server.stop()


# ── containers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def instructions():
    """(word, rest) of a Containerfile without continued lines."""
    lines = (DEPLOY / 'container' / 'Containerfile').read_text().splitlines()
    return [tuple(line.split(' ', 1)) for line in lines if line and not line.startswith('#')]


@pytest.fixture
def container():
    """What makes a command the first process of something like a container: read-only, nobody, a /tmp of its own."""
    script = 'mount -o remount,ro,bind / && mount -t tmpfs tmpfs /tmp && exec "$@"'
    command = ['unshare', '--pid', '--fork', '--kill-child', '--mount', '--mount-proc', 'sh', '-c', script, 'sh']
    command += ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs', '--bounding-set=-all']
    try:
        # This Python may be in a folder of root's alone.
        subprocess.run([*command, sys.executable, '-c', 'import granian'], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('such namespaces cannot be made here, or are no place for this Python')
    return command


def test_container_file_names_what_is_there():
    found = instructions()
    by_word = dict(found)
    *sources, _ = by_word['COPY'].split()
    assert all((DEPLOY / 'container' / source).is_file() for source in sources)
    assert re.fullmatch(r'[1-9]\d*:[1-9]\d*', by_word['USER'])
    config = load(files=[DEPLOY / 'container' / 'granian.toml'], flags={}, environ={}, cwd=ROOT).config
    assert config.listeners[0].bind.port == int(by_word['EXPOSE'])
    assert (DEPLOY / 'container' / 'hello.py').read_text() == HELLO.read_text()


def test_container_command_runs_as_first_process_without_any_privilege(container):
    program, *arguments = json.loads(dict(instructions())['CMD'])
    assert program == 'granian'
    command = [*container, sys.executable, GRANIAN, *arguments]
    env = {'GRANIAN_LISTENERS__0__BIND': '127.0.0.1:0'}
    with started(command, cwd=DEPLOY / 'container', env=env) as server:
        server.wait_ready()
        server.wait_for(r'main PID: 1\)')
        assert [get(server.port, path) for path in ('/', '/healthz')] == [200, 200]
        (first,) = psutil.Process(server.pid).children()
        first.send_signal(signal.SIGTERM)
        assert server.wait_ended() == 0
        assert [line for line in server.lines if 'WARNING' in line or 'ERROR' in line] == []


# ── Kubernetes ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def manifest():
    """The objects of the manifest by kind, as Debian's python3-yaml reads them."""
    code = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))'
    text = (DEPLOY / 'kubernetes' / 'granian.yaml').read_text()
    try:
        done = subprocess.run(['/usr/bin/python3', '-c', code], input=text, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        if isinstance(exc, subprocess.CalledProcessError) and 'No module named' not in exc.stderr:
            raise
        pytest.skip('python3-yaml is not installed')
    return {each['kind']: each for each in json.loads(done.stdout)}


def test_probes_of_the_manifest_are_answered(manifest, tmp_path):
    (tmp_path / 'granian.toml').write_text(
        manifest['ConfigMap']['data']['granian.toml'].replace('/tmp/', f'{tmp_path}/')
    )
    shutil.copy(HELLO, tmp_path)
    (container,) = manifest['Deployment']['spec']['template']['spec']['containers']
    program, *arguments = [word.replace('/etc/granian', str(tmp_path)) for word in container['args']]
    assert program == 'granian'
    env = {'GRANIAN_LISTENERS__0__BIND': '127.0.0.1:0'}
    with started([str(GRANIAN), *arguments], cwd=tmp_path, env=env) as server:
        server.wait_ready()
        for probe in ('startupProbe', 'readinessProbe', 'livenessProbe'):
            assert get(server.port, container[probe]['httpGet']['path']) == 200
            assert container[probe]['httpGet']['port'] == container['ports'][0]['name']
        server.stop()


def test_manifest_fits_the_configuration(manifest, tmp_path):
    pod = manifest['Deployment']['spec']['template']['spec']
    (container,) = pod['containers']
    (tmp_path / 'granian.toml').write_text(manifest['ConfigMap']['data']['granian.toml'])
    config = load(files=[tmp_path / 'granian.toml'], flags={}, environ={}, cwd=tmp_path).config
    assert config.listeners[0].bind.port == container['ports'][0]['containerPort']
    program, wait_s = container['lifecycle']['preStop']['exec']['command']
    assert shutil.which(program)
    assert pod['terminationGracePeriodSeconds'] > int(wait_s) + config.server.graceful_timeout + KILL_AFTER_GRACE_S
    assert manifest['Service']['spec']['ports'][0]['targetPort'] == container['ports'][0]['name']
    assert (
        manifest['Service']['spec']['selector'].items()
        <= manifest['Deployment']['spec']['template']['metadata']['labels'].items()
    )
    writable = [mount['mountPath'] for mount in container['volumeMounts'] if not mount.get('readOnly')]
    assert container['securityContext']['readOnlyRootFilesystem'] is True
    assert any(os.path.commonpath([path, str(config.server.control)]) == path for path in writable)
