"""Frames nobody planned: engines agree on them, survive them, and do not care how they are cut."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.http2.differential import LIMITS, Generator, disagreement
from tests.helpers.http2 import HTTP2_ENGINES, START, Talk, frame, no_reply

frames = st.builds(
    frame, st.integers(0, 11), st.integers(0, 63), st.sampled_from([0, 0, 1, 1, 2, 3, 3, 5]), st.binary(max_size=40)
)


@pytest.mark.parametrize('first', range(0, 200, 20))
def test_engines_agree(first):
    assert [disagreement(seed) for seed in range(first, first + 20)] == [None] * 20


@given(st.lists(frames, max_size=12), st.sampled_from(list(HTTP2_ENGINES)))
@settings(max_examples=150)
def test_any_frames_are_survived(sent, name):
    talk = Talk(HTTP2_ENGINES[name])
    talk.feed(*sent)
    talk.engine.receive_eof()
    talk.settle()
    assert talk.engine.closing
    assert talk.engine.streams_open == 0


@given(st.binary(max_size=300), st.booleans(), st.sampled_from(list(HTTP2_ENGINES)))
@settings(max_examples=100)
def test_any_bytes_are_survived(raw, started, name):
    talk = Talk(HTTP2_ENGINES[name], start=False)
    talk.feed(START + raw if started else raw)


@pytest.mark.parametrize('seed', range(40))
def test_the_own_engine_does_not_care_how_frames_are_cut(seed):
    raw = b''.join(Generator(seed).pieces())
    source = random.Random(seed)
    outcomes = []
    for cuts in ([], sorted(source.sample(range(len(raw)), min(len(raw), 30))), range(0, len(raw), 7)):
        # What is sent depends on when it is produced, so nothing is; nor are places.
        talk = Talk(HTTP2_ENGINES['fast'], replace(LIMITS, streams_max=1000), reply=no_reply, reads=False)
        ends = [*cuts, len(raw)]
        talk.feed(*[raw[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)])
        outcomes.append((talk.outcome()[0], talk.goaway))
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]
