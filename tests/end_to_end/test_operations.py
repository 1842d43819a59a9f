"""Short versions of the runs of `python -m tests.operations`: no client loses a request by what an operator does."""

from __future__ import annotations

import asyncio

import pytest

from tests.operations import runs


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
    # A worker holds no more than a request for each client, and three for those of HTTP/2; two clients echo.
    assert tally.failed_in_all <= 2 * (17 + 2 * 3)
    assert tally.answered > tally.failed_in_all


def test_reloads_leave_nothing_behind(tmp_path):
    first, *_, last = asyncio.run(runs.growth(tmp_path, 8))
    _, descriptors, processes, threads, memory = last
    assert descriptors <= first[1] + 1
    assert (processes, threads) == (first[2], first[3])
    assert memory < first[4] + 2
