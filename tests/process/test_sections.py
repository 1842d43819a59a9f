from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import pytest

from granian.config.model import Config
from granian.process import sections
from granian.process.sockets import Bound


def config(**parts) -> Config:
    document = {'apps': [{'target': 'main:app', 'interface': 'asgi'}], **parts}
    return Config.model_validate(document)


BOUND = [Bound(0, ('127.0.0.1', 8000), ())]


@pytest.mark.parametrize(
    ('server', 'backlog', 'exchanges'),
    [
        ({}, 1024, 1024),
        ({'workers': 4}, 1024, 256),
        ({'workers': 200}, 128, 1),
        ({'backpressure': 7, 'workers': 4}, 1024, 7),
    ],
)
def test_without_backpressure_the_workers_share_the_backlog(server, backlog, exchanges):
    made = config(server=server, listeners=[{'backlog': backlog}])
    assert sections.serving(made, BOUND).exchanges_max == exchanges


@pytest.mark.parametrize(('head', 'buffer', 'effective'), [(65536, 417792, 65536), (65536, 8192, 8192)])
def test_a_head_must_fit_the_buffer(head, buffer, effective):
    limits = sections.http1_limits(config(limits={'head': head}, http1={'buffer_size': buffer}))
    assert limits.head_bytes_max == effective
    assert limits.read_ahead_bytes_max == buffer


def test_every_http1_and_limits_key_reaches_its_bound():
    limits = sections.http1_limits(
        config(
            http1={'keep_alive': False, 'require_host': False},
            limits={'target': 1000, 'fields': 9, 'body': 5000, 'discard': 77},
        )
    )
    assert (limits.keep_alive, limits.require_host) == (False, False)
    assert (limits.target_bytes_max, limits.fields_max, limits.body_bytes_max, limits.discard_bytes_max) == (
        1000,
        9,
        5000,
        77,
    )


def test_timeouts_are_seconds_by_phase():
    made = config(http1={'header_read_timeout': 3}, timeouts={'body_read': 4, 'keep_alive': 5, 'write': 6})
    timeouts = sections.serving(made, BOUND).timeouts
    assert dataclasses.astuple(timeouts) == (3.0, 4.0, 5.0, 6.0)


def test_each_bound_address_has_the_settings_of_its_listener():
    made = config(
        listeners=[{'bind': 'localhost:80', 'backlog': 200}, {'bind': '127.0.0.1:81'}],
        http1={'engine': 'h11', 'pipeline_flush': True},
    )
    bound = [Bound(0, ('127.0.0.1', 80), ()), Bound(0, ('::1', 80), ()), Bound(1, ('127.0.0.1', 81), ())]
    listeners = sections.serving(made, bound).listeners
    assert [(each.address, each.backlog) for each in listeners] == [
        (('127.0.0.1', 80), 200),
        (('::1', 80), 200),
        (('127.0.0.1', 81), 1024),
    ]
    assert {(each.http1_engine, each.pipeline_flush) for each in listeners} == {('h11', True)}


def test_asginl_is_asgi_without_lifespan():
    (app,) = sections.serving(config(apps=[{'target': 'main:app', 'interface': 'asginl'}]), BOUND).apps
    assert (app.interface, app.lifespan) == ('asgi', 'off')


def test_the_access_log_is_there_when_enabled():
    assert sections.serving(config(), BOUND).access_log is None
    made = config(logging={'access': {'enabled': True, 'format': 'json'}})
    assert sections.serving(made, BOUND).access_log.format == 'json'


@pytest.mark.parametrize(
    ('server', 'kill_after_s'),
    [({}, 35.0), ({'graceful_timeout': '1s'}, 6.0), ({'workers_kill_timeout': 3}, 3.0)],
)
def test_a_worker_that_does_not_stop_is_killed_after(server, kill_after_s):
    assert sections.supervisor(config(server=server)).kill_after_s == kill_after_s


def test_what_a_worker_is_told_is_plain_data():
    settings = sections.worker(config(), BOUND, 'asyncio')
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_worker_needs_no_validation_library():
    code = 'import sys, granian.process.worker; sys.exit(any(name in sys.modules for name in ("pydantic", "click", "tomli")))'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
