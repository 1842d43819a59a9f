"""Short versions of the runs of `python -m tests.operations`: no client loses a request by what an operator does."""

from __future__ import annotations

import asyncio

import pytest

from tests.operations import growth, runs


def lossless(tally) -> None:
    assert tally.answered > 0
    assert tally.failed_in_all == 0, tally.failures[:10]


@pytest.mark.parametrize('loop', ['asyncio', 'uvloop'])
def test_reloads_good_and_bad_lose_no_request(tmp_path, loop, monkeypatch):
    kinds = ['plain', 'faulty', 'failing', 'port', 'certificate', 'port']
    monkeypatch.setattr(runs, 'kinds_of', lambda _: kinds)
    lossless(asyncio.run(runs.reloads(tmp_path, len(kinds), loop)))


def test_replacements_lose_no_request(tmp_path):
    lossless(asyncio.run(runs.replacements(tmp_path, 2)))


def test_upgrades_lose_no_request(tmp_path):
    lossless(asyncio.run(runs.upgrades(tmp_path, 1)))


def test_killed_workers_lose_only_what_they_held(tmp_path):
    tally = asyncio.run(runs.kills(tmp_path, 2))
    assert tally.avoidable == 0, tally.failures
    assert tally.answered > tally.failed_in_all


def test_a_stalled_worker_loses_only_what_it_held(tmp_path):
    tally = asyncio.run(runs.stalls(tmp_path, 1))
    assert tally.avoidable == 0, tally.failures
    assert tally.answered > tally.failed_in_all


def test_reloads_leave_nothing_behind(tmp_path):
    first, *_, last = asyncio.run(growth.growth(tmp_path, 8))
    assert (last.processes, last.threads) == (first.processes, first.threads)
    # A loop may have opened one more by now.
    assert last.descriptors <= first.descriptors + 2
    assert last.supervisor_mib < first.supervisor_mib + 2
