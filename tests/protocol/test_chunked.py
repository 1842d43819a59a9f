"""The chunked decoder against one that is too simple to be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from granian.protocol.contract import Refusal
from granian.protocol.http1.chunked import CHUNK_LINE_BYTES_MAX, ChunkedDecoder
from granian.protocol.http1.strict import ChunkGate
from tests.conformance.strategies import SIZE_LINES, TOKENS, TRAILERS
from tests.helpers.engines import LIMITS, limits

lines = st.one_of(st.sampled_from([b'5', b'5;a=b']), st.sampled_from(SIZE_LINES))
bodies = st.tuples(st.lists(lines, max_size=4), st.sampled_from(TRAILERS[:3])).map(
    lambda parts: b''.join(b'%b\r\nhello\r\n' % line for line in parts[0]) + b'0\r\n' + parts[1] + b'\r\n'
)


@st.composite
def broken(draw):
    raw = draw(bodies)
    for at, token in draw(st.lists(st.tuples(st.integers(0, len(raw)), st.sampled_from(TOKENS)), max_size=1)):
        raw = raw[:at] + token + raw[at:]
    return raw + draw(st.sampled_from([b'', b'GET / HTTP/1.1\r\n']))


def reference(raw):
    """(body, trailers, bytes used), 'more' or 'bad', for a whole body at once and no limits."""
    body = b''
    pos = 0
    while True:
        end = raw.find(b'\r\n', pos)
        if end < 0:
            return 'bad' if b'\n' in raw[pos:] else 'more'
        size, *extensions = raw[pos:end].split(b';')
        digits = size.rstrip(b' \t') if extensions else size
        if not digits or len(digits) > 16 or set(digits) - set(b'0123456789abcdefABCDEF'):
            return 'bad'
        if any((c < 0x20 and c != 9) or c == 0x7F for c in raw[pos:end]):
            return 'bad'
        pos = end + 2
        if not int(digits, 16):
            break
        body += raw[pos : pos + int(digits, 16)]
        pos += int(digits, 16)
        after = raw[pos : pos + 2]
        if after != b'\r\n':
            return 'more' if b'\r\n'.startswith(after) else 'bad'
        pos += 2
    trailers = []
    while (end := raw.find(b'\r\n', pos)) > pos:
        name, _, value = raw[pos:end].partition(b':')
        trailers.append((name.lower(), value.strip(b' \t')))
        pos = end + 2
    return (body, trailers, end + 2) if end >= 0 else 'more'


def decoded(raw, cuts):
    decoder = ChunkedDecoder(LIMITS)
    body, used = b'', 0
    try:
        for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            piece, pos = decoder.decode(raw[a:b], 0)
            body += piece
            used += pos
            if decoder.ended:
                return body, decoder.trailers, used
            assert pos == b - a
    except Refusal as refusal:
        return 'bad' if refusal.status == 400 else refusal.status
    return 'more'


@given(raw=bodies, data=st.data())
@settings(max_examples=300)
def test_decodes_as_the_reference_does(raw, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw)), max_size=5)))
    got, expected = decoded(raw, cuts), reference(raw)
    # The reference does not know the grammar of extensions, nor limits.
    assert got == expected or got in ('bad', 413) or (got, expected) == ('more', 'bad')


@given(raw=broken(), data=st.data())
@settings(max_examples=500)
def test_cuts_change_nothing(raw, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw)), max_size=6)))
    assert decoded(raw, cuts) == decoded(raw, [])


@given(raw=broken())
@settings(max_examples=500)
def test_the_gate_of_the_reference_engine_ends_where_the_decoder_does(raw):
    gate, expected = ChunkGate(LIMITS), decoded(raw, [])
    try:
        _, pos = gate.passed(raw, 0)
        found = 'ended' if gate.ended else 'more'
    except Refusal as refusal:
        found = 'bad' if refusal.status == 400 else refusal.status
    if found == 'ended':
        assert expected[2] == pos
    else:
        assert expected == found


@pytest.mark.parametrize('line', [b'5;' + b'a' * (CHUNK_LINE_BYTES_MAX - 2), b'5;' + b'a' * (CHUNK_LINE_BYTES_MAX - 1)])
def test_a_chunk_line_at_its_bound_and_over_it(line):
    raw = line + b'\r\nhello\r\n0\r\n\r\n'
    whole = decoded(raw, [])
    assert whole == ((b'hello', [], len(raw)) if len(line) == CHUNK_LINE_BYTES_MAX else 'bad')
    for at in range(1, len(raw)):
        assert decoded(raw, [at]) == whole
    assert decoded(raw, list(range(1, len(raw)))) == whole


def test_the_bound_counts_all_chunks_together():
    decoder = ChunkedDecoder(limits(body_bytes_max=10))
    decoder.decode(b'5\r\nhello\r\n5\r\nhello\r\n', 0)
    with pytest.raises(Refusal) as caught:
        decoder.decode(b'1\r\n', 0)
    assert caught.value.status == 413
