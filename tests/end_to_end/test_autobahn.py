"""The part of the Autobahn test suite that takes seconds; `python3 -m tests.autobahn` runs the whole."""

from __future__ import annotations

import pytest

from tests.autobahn import client
from tests.helpers.server import running_server


@pytest.mark.parametrize(('interface', 'engine'), [('asgi', 'fast'), ('rsgi', 'wsproto')])
def test_every_quick_case_passes(engine, interface):
    try:
        client.require()
    except client.Unavailable as reason:
        pytest.skip(str(reason))
    target = f'tests.autobahn.apps:{interface}'
    with running_server('--interface', interface, target, env={'GRANIAN_WEBSOCKET__ENGINE': engine}) as server:
        outcomes = client.run(server.port, client.QUICK, timeout_s=300)
    assert [str(outcome) for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == client.QUICK_CASES
