"""All attacks at once, for a moment: each is cut, others are served, memory stays. `python -m tests.attacks` does it for longer."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from tests.attacks.__main__ import attacked_server, faults
from tests.attacks.key_updates import library
from tests.attacks.running import run
from tests.attacks.table import ATTACKS
from tests.attacks.tls_table import TLS_ATTACKS


def outcome_of(server, tls, names):
    worker = psutil.Process(server.worker_pids()[0])
    outcome = asyncio.run(run(','.join(names), server.port, worker, 1.0, tls))
    assert worker.is_running()
    return outcome


@pytest.mark.parametrize('engine', ['fast', 'h2'])
def test_attacks_are_cut_and_others_are_served(engine):
    with attacked_server(engine, over_tls=False) as (server, tls):
        assert faults(outcome_of(server, tls, ATTACKS)) == []


def test_attacks_on_tls_are_cut_and_others_are_served():
    if library() is None:
        pytest.skip('there is no libssl, which updates keys')
    with attacked_server('fast', over_tls=True) as (server, tls):
        assert faults(outcome_of(server, tls, TLS_ATTACKS)) == []
