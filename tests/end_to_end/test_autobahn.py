"""The part of the Autobahn test suite that takes seconds; `python3 -m tests.autobahn` runs the whole."""

from __future__ import annotations

import pytest

from tests.autobahn import client
from tests.autobahn.client import Outcome
from tests.autobahn.results import Results, summary
from tests.helpers.server import running_server


@pytest.fixture
def _installed():
    try:
        client.require()
    except client.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.usefixtures('_installed')
@pytest.mark.parametrize(('interface', 'engine'), [('asgi', 'fast'), ('rsgi', 'wsproto')])
def test_quick_cases_and_a_sample_pass(engine, interface):
    target = f'tests.autobahn.apps:{interface}'
    with running_server('--interface', interface, target, env={'GRANIAN_WEBSOCKET__ENGINE': engine}) as server:
        outcomes = list(client.run(server.port, client.cases_of((*client.QUICK, *client.SAMPLE)), 300))
    assert [str(outcome) for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == client.QUICK_CASES + len(client.SAMPLE)


@pytest.mark.usefixtures('_installed')
def test_it_runs_in_parts(tmp_path):
    """What has passed is not run again, and nothing is begun after its time but the first case."""
    cases = ['1.1.1', '1.1.2']
    with running_server('--interface', 'asgi', 'tests.autobahn.apps:asgi') as server:
        for left in (cases, cases[1:]):
            results = Results(tmp_path, 'asgi-fast')
            assert results.left(cases) == left
            for outcome in client.run(server.port, left, 0):
                results.add(outcome)
    assert Results(tmp_path, 'asgi-fast').left(cases) == []


def test_what_is_kept_is_told_by_section(tmp_path):
    results = Results(tmp_path, 'asgi-fast')
    results.add(Outcome('9.1.1', 'FAILED', 'OK', 'too late'))
    for outcome in [
        Outcome('7.1.5', 'OK', 'OK'), Outcome('7.1.6', 'INFORMATIONAL', 'INFORMATIONAL'),
        Outcome('9.1.1', 'OK', 'OK'), Outcome('9.1.2', 'NON-STRICT', 'OK'), Outcome('9.1.3', 'OK', 'UNCLEAN', 'no close frame'),
    ]:  # fmt: skip
        results.add(outcome)
    cases = ['7.1.5', '7.1.6', '7.1.7', '9.1.1', '9.1.2', '9.1.3']
    kept = Results(tmp_path, 'asgi-fast')
    assert kept.left(cases) == ['7.1.7', '9.1.2', '9.1.3']
    assert summary([kept], cases).splitlines() == [
        'section  cases  asgi-fast',
        '7.*      3      1 OK, 1 INFORMATIONAL, 1 missing',
        '9.*      3      1 OK, 1 NON-STRICT, 1 UNCLEAN',
        'all      6      2 OK, 1 INFORMATIONAL, 1 NON-STRICT, 1 UNCLEAN, 1 missing',
        'asgi-fast: 9.1.2: NON-STRICT, closing OK: ',
        'asgi-fast: 9.1.3: OK, closing UNCLEAN: no close frame',
    ]
