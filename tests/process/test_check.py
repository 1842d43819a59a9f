from __future__ import annotations

import json
import os
import socket

import pytest

from granian.config.model import Config
from granian.process.plan.check import check


def faults(target: str, tmp_path, *, timeout_s: float = 30, **app) -> list[str]:
    document = {
        'server': {'working_dir': tmp_path},
        'listeners': [{'bind': '127.0.0.1:0'}],
        'apps': [{'target': target, 'interface': 'asgi', **app}],
    }
    return check(Config.model_validate(document), timeout_s)


@pytest.mark.parametrize(
    ('code', 'app', 'expected'),
    [
        ('def app(): pass', {}, []),
        ('def app(): return print', {'factory': True}, []),
        (
            'print("noise"); raise SystemExit(4)',
            {},
            ["While importing 'checked', a SystemExit was raised: 4 ({place}, line 1)"],
        ),
        ('raise KeyboardInterrupt', {}, ['importing it raised KeyboardInterrupt ({place}, line 1)']),
        ('import os; os._exit(5)', {}, ['importing it ended the process with status 5']),
        ('def appl(): pass', {}, ["'checked' has no attribute 'app'. Did you mean 'appl'?"]),
    ],
)
def test_the_application_is_imported_elsewhere(tmp_path, code, app, expected):
    path = tmp_path / 'checked.py'
    path.write_text(code)
    assert faults('checked:app', tmp_path, **app) == [f'apps[0].target: {text.format(place=path)}' for text in expected]


def test_an_import_that_does_not_end_is_a_fault(tmp_path):
    (tmp_path / 'checked.py').write_text('import threading; threading.Event().wait()')
    assert faults('checked:app', tmp_path, timeout_s=1) == ['apps[0].target: importing it takes longer than 1 s']


def test_a_taken_address_of_metrics_is_a_fault_where_they_are_served(tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        bind = f'127.0.0.1:{taken.getsockname()[1]}'
        document = {'metrics': {'enabled': True, 'bind': bind}, 'listeners': [{'bind': '127.0.0.1:0'}]}
        assert check(Config.model_validate(document)) == [f'metrics.bind: {bind}: already in use by another process']
        assert check(Config.model_validate({**document, 'reload': {'enabled': True}})) == []


def test_a_descriptor_that_is_not_there_is_not_taken_for_a_socket_that_is_tried():
    free = os.dup(0)
    os.close(free)
    document = {'metrics': {'enabled': True, 'bind': f'fd:{free}'}, 'listeners': [{'bind': '127.0.0.1:0'}]}
    assert check(Config.model_validate(document)) == []


def test_a_taken_address_is_a_fault_and_a_free_one_is_let_go(tmp_path):
    (tmp_path / 'checked.py').write_text('def app(): pass')
    with socket.create_server(('127.0.0.1', 0)) as taken:
        bind = f'127.0.0.1:{taken.getsockname()[1]}'
        document = {
            'server': {'working_dir': tmp_path},
            'listeners': [{'bind': bind}],
            'apps': [{'target': 'checked:app', 'interface': 'asgi'}],
        }
        config = Config.model_validate(document)
        assert check(config) == [f'listeners[0].bind: {bind}: already in use by another process']
    assert check(config) == []
    assert check(config) == []


def other_faults(tmp_path, **document) -> list[str]:
    return check(Config.model_validate({'listeners': [{'bind': '127.0.0.1:0'}], **document}))


@pytest.mark.parametrize(
    ('document', 'expected'),
    [
        ({}, []),
        ({'version': 5}, ['logging.config: Unsupported version: 5']),
        (
            {'handlers': {'console': {'class': 'absent.Handler'}}},
            [
                "logging.config: Unable to configure handler 'console': Cannot resolve 'absent.Handler': No module named 'absent'"
            ],
        ),
    ],
)
def test_a_log_config_is_tried(tmp_path, document, expected):
    path = tmp_path / 'log.json'
    path.write_text(json.dumps(document))
    assert other_faults(tmp_path, logging={'config': str(path)}) == expected


def test_a_pid_file_that_could_not_be_held_is_a_fault_and_none_is_written(tmp_path):
    path = tmp_path / 'a.pid'
    assert other_faults(tmp_path, server={'pid_file': str(path)}) == []
    assert not path.exists()
    path.write_text('1')
    assert other_faults(tmp_path, server={'pid_file': str(path)}) == [
        f'server.pid_file: The PID file {path} already exists for 1'
    ]
    absent = tmp_path / 'absent'
    assert other_faults(tmp_path, server={'pid_file': str(absent / 'a.pid')}) == [
        f'server.pid_file: The PID file {absent}/a.pid cannot be written: there is no directory {absent}'
    ]
