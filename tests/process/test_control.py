"""The control socket: where it is, who may open it, what is asked and answered."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import threading
from pathlib import Path

import pytest

from granian.errors import BindError, FatalError
from granian.process.control import CLIENTS_MAX, Control, ask, listen, path_of
from granian.process.reloading.rereading import Refused
from granian.process.waiting import Waiting


class Supervisor:
    """Answers in a thread of its own until the test is over."""

    def __init__(self, path: Path) -> None:
        self.waiting = Waiting()
        self.later = []
        commands = {
            'reload': lambda answer: answer('generation 2 serves'),
            'fail': lambda answer: answer(Refused('faulty', 2)),
            'wait': self.later.append,
        }
        self.control = Control(self.waiting, commands)
        self.control.open(path)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._ending.is_set():
            self.waiting.step(0.02)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self.control.close()
        self.control.hang_up()
        self.waiting.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'a.control'


def test_a_command_is_answered_with_status_and_message(path):
    with Supervisor(path):
        assert ask(path, 'reload') == (0, 'generation 2 serves')
        assert ask(path, 'fail') == (2, 'faulty')
        assert ask(path, 'dance') == (1, "this version knows no command 'dance'")


def test_only_its_user_may_open_it_and_it_is_gone_at_the_end(path):
    with Supervisor(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


@pytest.mark.parametrize(
    'line',
    [b'\n', b'nonsense\n', b'[]\n', b'{}\n', b'null\n', b'\xff\n', b'x' * 5000, b'{"command": "reload"}\n\n{}\n'],
)
def test_what_is_no_command_is_refused(path, line):
    with Supervisor(path), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(path))
        with contextlib.suppress(OSError):
            sock.sendall(line)
            answer = sock.recv(65536)
            assert b'"status": 1' in answer
        assert ask(path, 'reload')[0] == 0


def test_whoever_leaves_or_says_nothing_holds_up_nobody(path):
    with Supervisor(path) as supervisor, contextlib.ExitStack() as stack:
        for number in range(CLIENTS_MAX - 1):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(path))
            if number % 2:
                sock.sendall(b'{"command": "wait"}\n')
                sock.close()
        assert ask(path, 'reload')[0] == 0
        assert len(supervisor.later) <= CLIENTS_MAX


def test_whoever_removed_its_directory_does_not_disturb_the_end(path):
    inner = path.parent / 'inner'
    inner.mkdir()
    with Supervisor(inner / 'a.control') as supervisor:
        assert supervisor.control.is_at(inner / 'a.control')
        shutil.rmtree(inner)
        assert not supervisor.control.is_at(inner / 'a.control')


def test_a_socket_of_another_server_is_left_alone(path):
    with Supervisor(path), pytest.raises(BindError, match='already in use'):
        listen(path)


def test_one_whose_server_was_killed_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with Supervisor(path):
        assert ask(path, 'reload')[0] == 0


def test_no_server_is_told(path):
    with pytest.raises(FatalError, match=r'no server answers at .*: no such file'):
        ask(path, 'reload')


def test_it_is_where_it_was_configured_else_beside_the_pid_file_else_named_after_the_configuration(
    monkeypatch, tmp_path
):
    monkeypatch.setenv('XDG_RUNTIME_DIR', str(tmp_path))
    configured, pid_file = Path('/run/own.sock'), Path('/run/shop.pid')
    assert path_of(configured, pid_file, 'a') == configured
    assert path_of(None, pid_file, 'a') == Path('/run/shop.control')
    assert path_of(None, None, 'a').parent == tmp_path
    assert path_of(None, None, 'a') != path_of(None, None, 'b')


def test_a_directory_that_is_not_of_this_user_alone_is_refused(monkeypatch, tmp_path_factory):
    # Short, as the paths of sockets must be.
    tmp_path = tmp_path_factory.mktemp('t')
    monkeypatch.delenv('XDG_RUNTIME_DIR', raising=False)
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    directory = tmp_path / f'granian-{os.getuid()}'
    directory.mkdir(0o755)
    with pytest.raises(BindError, match='not a directory of this user alone'):
        listen(path_of(None, None, 'a'))
    directory.rmdir()
    sock, file = listen(path_of(None, None, 'a'))
    sock.close()
    file.remove()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
