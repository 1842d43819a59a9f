"""Both engines, the same input: any difference is a bug, or is explained in docs/explanation/http1-decisions.md."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.conformance.differential import disagreement, read_corpus, result
from tests.conformance.strategies import ALL_LIMITS, Input, inputs
from tests.helpers.engines import HTTP1_ENGINES, byte_by_byte

CORPUS = read_corpus()
STRINGS = [raw for _, raw in CORPUS]
each_string = pytest.mark.parametrize(
    'raw', STRINGS, ids=[f'{n}-{kind.split(":")[0]}' for n, (kind, _) in enumerate(CORPUS)]
)


def test_the_corpus_is_large_and_has_no_string_twice():
    assert len(STRINGS) >= 100
    assert len(set(STRINGS)) == len(STRINGS)


@each_string
def test_engines_agree_on_the_corpus(raw):
    for limits in ALL_LIMITS:
        for pieces in ((raw,), tuple(byte_by_byte(raw)), tuple(raw.splitlines(keepends=True))):
            assert disagreement(Input(pieces, limits)) is None


@each_string
def test_the_corpus_is_read_alike_however_it_is_split(engine, raw):
    whole = [(seen, gone) for seen, _, gone, replied in result(engine, Input((raw,)))['requests'] if replied]
    for at in range(1, len(raw)):
        pieces = result(engine, Input((raw[:at], raw[at:])))
        assert [(seen, gone) for seen, _, gone, replied in pieces['requests'] if replied] == whole


@given(inputs(STRINGS))
@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
def test_engines_agree(data):
    assert disagreement(data) is None


def test_a_difference_is_found():
    """The comparison sees what it is there to see."""
    one, two = (result(HTTP1_ENGINES['fast'], Input((raw,))) for raw in (STRINGS[0], STRINGS[0][:-1]))
    assert one == two
    other = result(HTTP1_ENGINES['fast'], Input((b'GET / HTTP/1.1\r\nHost: b\r\n\r\n',)))
    assert other['requests'] != one['requests']
