"""All attacks at once, for a moment: each is cut, others are served, memory stays. `python -m tests.attacks` does it for longer."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from tests.attacks.__main__ import APPS, faults
from tests.attacks.running import TIMEOUTS, run
from tests.attacks.table import ATTACKS
from tests.helpers.server import running_server


@pytest.mark.parametrize('engine', ['fast', 'h2'])
def test_attacks_are_cut_and_others_are_served(engine):
    arguments = ('--interface', 'asgi', '--set', f'http2.engine={engine}', *TIMEOUTS, 'http2_app:app')
    with running_server(*arguments, cwd=APPS) as server:
        worker = psutil.Process(server.worker_pids()[0])
        outcome = asyncio.run(run(','.join(ATTACKS), server.port, worker, 1.0))
        assert faults(outcome) == []
        assert worker.is_running()
