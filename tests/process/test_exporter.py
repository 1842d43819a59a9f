"""Who is counted as replaced for what."""

from __future__ import annotations

import pytest

from granian.observe import metrics
from granian.process.exporting.exporter import ExporterChild
from granian.process.exporting.numbers import Numbers
from granian.process.pool.health import Health
from tests.helpers.workers import Stage


def replaced(stage):
    """After whatever was begun has come to its end."""
    stage.serve(stage.newest())
    return stage.causes


@pytest.mark.parametrize('cause', ['lifetime', 'rss', 'requests', 'err'])
def test_a_planned_replacement_counts_once_it_serves(cause):
    stage = Stage()
    first, _ = stage.open()
    stage.pool.wish(first, 'its age', cause=cause)
    stage.ready(stage.newest())
    assert stage.causes == []

    assert replaced(stage) == [cause]


def test_one_that_fails_does_not_count_and_the_next_does_for_the_same():
    stage = Stage()
    first, _ = stage.open()
    stage.pool.wish(first, 'its memory', cause='rss')
    stage.end(stage.newest(), 1)
    assert stage.causes == []
    stage.pass_time(60)

    assert replaced(stage) == ['rss']


def test_a_death_counts():
    stage = Stage()
    _, second = stage.open()
    stage.pass_time(30)
    stage.end(second, 1)
    stage.pass_time(0)

    assert stage.causes == ['err']


def test_a_start_and_a_reload_do_not_count():
    stage = Stage()
    stage.open()
    stage.serve(*stage.change(stage.generation(2)))

    assert stage.done == [None]
    assert stage.causes == []


def test_health_says_what_for():
    stage = Stage(lifetime_s=100, rss_bytes_max=10, rss_sample_interval_s=1000)
    stage.health = Health(stage.pool, stage.timers, lambda _: 11)
    first, second = stage.open()
    stage.health.on_tired(first, 'the requests')
    assert replaced(stage) == ['requests']
    stage.pass_time(100)
    assert replaced(stage)[1:] == ['lifetime']
    stage.health.follow(stage.pool.generation)
    stage.pass_time(1000)
    assert second not in stage.pool.members.values()


@pytest.mark.parametrize(('kill_after_s', 'expected_s'), [(3605.0, 7.0), (3.0, 3.0)])
def test_one_that_hangs_holds_up_the_end_no_longer_than_a_scrape_may_take(kill_after_s, expected_s):
    assert ExporterChild(Stage(kill_after_s=kill_after_s).generation()).kill_after_s == expected_s


def test_what_was_counted_before_somebody_asks_and_after_is_told():
    numbers = Numbers()
    numbers.started()
    numbers.replaced('rss')
    board = numbers.board
    numbers.started()
    numbers.replaced('requests')

    assert board is numbers.board
    told = board.own()
    assert told[metrics.SPAWNS] == 2
    assert told[metrics.FOR_RSS] == told[metrics.FOR_REQUESTS] == 1
    assert told[metrics.FOR_ERR] == told[metrics.FOR_LIFETIME] == 0
