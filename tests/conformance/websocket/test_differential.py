"""Both engines make the same of the same input; `fuzz.py` beside this looks for longer."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings

from tests.conformance.websocket.cases import CASES
from tests.conformance.websocket.differential import Input, disagreement, inputs, random_input, result
from tests.helpers.websocket_engines import TEXT, WEBSOCKET_ENGINES, frame


@given(inputs())
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_engines_agree(data):
    assert disagreement(data) is None


def test_engines_agree_on_the_cases():
    for case in CASES:
        for then in ('hold', 'ping', 'close'):
            assert disagreement(Input((case.raw,), then=then)) is None


def test_the_fuzzer_makes_sessions_of_every_kind():
    """It would find nothing where every input failed at its first frame, or none did."""
    source = random.Random(1)
    results = [result(WEBSOCKET_ENGINES['fast'], random_input(source)) for _ in range(1000)]
    ends = [outcome['ended'] and outcome['ended'][0] for outcome in results]
    for code in (None, 1000, 1002, 1005, 1006, 1007, 1009):
        assert ends.count(code) >= 2
    assert sum(len(outcome['told'][0]) >= 3 for outcome in results) >= 60


def test_a_difference_is_found():
    """The comparison sees what it is there to see."""
    one = result(WEBSOCKET_ENGINES['fast'], Input((frame(TEXT, b'x'),), then='echo'))
    other = result(WEBSOCKET_ENGINES['wsproto'], Input((frame(TEXT, b'y'),), then='echo'))
    assert one['told'] != other['told']
    assert one['sent'] != other['sent']
