from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import pytest

from granian.errors import PidFileError
from granian.process.pid_file import PidFile


def held(path):
    return contextlib.closing(PidFile(path))


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'granian.pid'


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, '-c', ''])
    ended.wait()
    return ended.pid


def test_it_holds_our_process_id_meanwhile(path):
    with held(path):
        assert path.read_text() == f'{os.getpid()}\n'
    assert not path.exists()


def test_no_path_is_no_file():
    with held(None):
        pass


@pytest.mark.parametrize('text', ['', 'dead', 'own'])
def test_a_file_that_nobody_holds_is_taken_over(path, text):
    path.write_text({'dead': str(dead_pid()), 'own': str(os.getpid())}.get(text, text))
    with held(path):
        assert path.read_text() == f'{os.getpid()}\n'


def test_a_file_of_a_living_process_is_refused_and_kept(path):
    path.write_text(str(os.getppid()))
    with pytest.raises(PidFileError, match=rf'^The PID file .* already exists for {os.getppid()}$'), held(path):
        pass
    assert path.read_text() == str(os.getppid())


@pytest.mark.parametrize('content', [b'nonsense', b'-1', b'0', b'\xff'])
def test_a_file_that_is_no_pid_file_is_refused_and_kept(path, content):
    path.write_bytes(content)
    with pytest.raises(PidFileError), held(path):
        pass
    assert path.read_bytes() == content


@pytest.mark.parametrize('kind', ['endless', 'fifo'])
def test_what_is_no_plain_file_is_refused_at_once(path, kind):
    if kind == 'fifo':
        os.mkfifo(path)
    else:
        path.symlink_to('/dev/zero')
    with pytest.raises(PidFileError, match=r'^The PID file '), held(path):
        pass


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with (
        pytest.raises(PidFileError, match='cannot be written: no such file or directory'),
        held(tmp_path / 'no' / 'pid'),
    ):
        pass


def test_a_file_that_was_taken_from_us_is_left_alone(path):
    with held(path):
        path.write_text('4242')
    assert path.read_text() == '4242'


def test_it_is_removed_when_the_server_fails(path):
    with pytest.raises(ZeroDivisionError), held(path):
        raise ZeroDivisionError
    assert not path.exists()
