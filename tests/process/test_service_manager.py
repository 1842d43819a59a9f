from __future__ import annotations

import logging
import os
import socket
import time

import pytest

from granian.process.service_manager import VARIABLES, ServiceManager


@pytest.fixture(params=['path', 'abstract'])
def listening(request, tmp_path):
    """A service manager's socket, and how NOTIFY_SOCKET names it."""
    name = str(tmp_path / 'notify') if request.param == 'path' else f'@granian-test-{os.getpid()}'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace('@', '\0', 1))
        sock.settimeout(10)
        yield sock, name


def told(sock):
    return sock.recv(4096).decode().split('\n')


def test_every_message_as_systemd_wants_it(listening):
    sock, name = listening
    manager = ServiceManager.from_environment({'NOTIFY_SOCKET': name})

    manager.ready('serves')
    assert told(sock) == ['READY=1', f'MAINPID={os.getpid()}', 'STATUS=serves']
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.reloading()
    reloading, usec, _ = told(sock)
    assert reloading == 'RELOADING=1'
    assert before <= int(usec.removeprefix('MONOTONIC_USEC=')) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.hand_over(4711)
    assert told(sock) == ['READY=1', 'MAINPID=4711']
    manager.stopping()
    assert told(sock)[0] == 'STOPPING=1'
    manager.beat()
    assert told(sock) == ['WATCHDOG=1']


def test_variables_are_taken_out_and_kept_for_a_successor():
    environment = dict.fromkeys(VARIABLES, '1') | {'NOTIFY_SOCKET': '/nowhere', 'HOME': '/'}
    manager = ServiceManager.from_environment(environment)
    assert environment == {'HOME': '/'}
    assert manager.variables == dict.fromkeys(VARIABLES, '1') | {'NOTIFY_SOCKET': '/nowhere'}


@pytest.mark.parametrize(
    ('variables', 'every_s'),
    [
        ({}, None),
        ({'WATCHDOG_USEC': '3000000'}, 1.5),
        ({'WATCHDOG_USEC': '3000000', 'WATCHDOG_PID': str(os.getpid())}, 1.5),
        ({'WATCHDOG_USEC': '3000000', 'WATCHDOG_PID': '1'}, None),
        ({'WATCHDOG_USEC': '0'}, None),
        ({'WATCHDOG_USEC': 'soon'}, None),
    ],
)
def test_sign_of_life_is_given_twice_in_the_watchdogs_time(variables, every_s):
    assert ServiceManager.from_environment(variables).beat_every_s == every_s


def test_nobody_to_tell():
    manager = ServiceManager.from_environment({})
    manager.ready('serves')
    assert manager.beat_every_s is None


@pytest.mark.parametrize(
    ('name', 'said'), [('/nowhere/at/all', 'READY=1: no such file'), ('vsock:2:1', 'not a Unix socket')]
)
def test_a_manager_that_cannot_be_told_stops_nothing(name, said, caplog):
    with caplog.at_level(logging.WARNING, '_granian'):
        logging.getLogger('_granian').addHandler(caplog.handler)
        ServiceManager.from_environment({'NOTIFY_SOCKET': name}).ready('serves')
        logging.getLogger('_granian').removeHandler(caplog.handler)
    assert said in caplog.text
