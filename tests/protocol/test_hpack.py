"""HPACK by the sections of RFC 7541: examples, faults, table sizes, and streams checked against `hpack`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granian.protocol.hpack import huffman as hpack_huffman
from granian.protocol.hpack.decoder import (
    INFLATED_BYTES_MIN,
    NEWEST,
    TEXTS_MAX,
    HpackDecoder,
    HpackError,
    HpackExcessError,
)
from granian.protocol.hpack.encoder import HpackEncoder, literal
from granian.protocol.hpack.huffman import HuffmanError
from granian.protocol.hpack.tables import huffman_codes
from tests.conformance.http2.hpack_streams import check_decoder, check_encoder
from tests.conformance.http2.tables.hpack import FAULTS

AUTHORITY = (b':authority', b'www.example.com')
FIRST = [(b':method', b'GET'), (b':scheme', b'http'), (b':path', b'/'), AUTHORITY]
NO_CACHE = (b'cache-control', b'no-cache')
CUSTOM = (b'custom-key', b'custom-value')
THIRD = [(b':method', b'GET'), (b':scheme', b'https'), (b':path', b'/index.html'), AUTHORITY, CUSTOM]
# RFC 7541 C.3 and C.4: three requests on one connection, without and with Huffman coding.
PLAIN = [
    '828684410f7777772e6578616d706c652e636f6d',
    '828684be58086e6f2d6361636865',
    '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
]
CODED = ['828684418cf1e3c2e5f23a6ba0ab90f4ff', '828684be5886a8eb10649cbf', '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf']  # fmt: skip


@pytest.mark.parametrize('blocks', [PLAIN, CODED], ids=['plain', 'coded'])
def test_examples_of_requests(blocks):
    decoder = HpackDecoder()
    assert [decoder.decode(bytes.fromhex(block)) for block in blocks] == [FIRST, [*FIRST, NO_CACHE], THIRD]
    assert decoder._bytes == 164
    assert decoder.decode(b'\xbe\xbf\xc0') == [CUSTOM, NO_CACHE, AUTHORITY]


def test_examples_of_responses_with_eviction():
    # RFC 7541 C.6, with a table of 256 bytes.
    blocks = [
        '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        '4883640effc1c0bf',
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f'  # noqa: ISC004
        '3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ]
    decoder = HpackDecoder(256)
    first, second, third = [decoder.decode(bytes.fromhex(block)) for block in blocks]
    assert first[0] == (b':status', b'302')
    assert second == [(b':status', b'307'), *first[1:]]
    assert third[-1] == (b'set-cookie', b'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1')
    assert decoder._bytes == 215


@pytest.mark.parametrize('block', FAULTS.values(), ids=FAULTS)
def test_faulty_block(block):
    with pytest.raises(HpackError):
        HpackDecoder().decode(bytes.fromhex(block))


@pytest.mark.parametrize('at', range(1, 60))
def test_a_block_cut_off_within_a_field_is_faulty(at):
    block = bytes.fromhex(CODED[0] + '408825a849e95ba97d7f8925a849e95bb8e8b4bf')
    whole = {1, 2, 3, len(bytes.fromhex(CODED[0])), len(block)}
    if at < len(block) and at not in whole:
        with pytest.raises(HpackError):
            HpackDecoder().decode(block[:at])


def test_an_entry_larger_than_the_table_empties_it():
    decoder = HpackDecoder(64)
    decoder.decode(b'\x40\x01a\x01b')
    assert decoder.decode(b'\x40\x01a\x21' + b'x' * 33) == [(b'a', b'x' * 33)]
    with pytest.raises(HpackError):
        decoder.decode(b'\xbe')


def test_the_name_of_an_entry_that_is_evicted_by_its_use():
    # RFC 7541 4.4
    decoder = HpackDecoder(40)
    decoder.decode(b'\x40\x01a\x01b')
    assert decoder.decode(b'\x7e\x02cd') == [(b'a', b'cd')]
    assert decoder.decode(b'\xbe') == [(b'a', b'cd')]


def test_sizes_that_shrink_and_grow():
    decoder = HpackDecoder()
    decoder.decode(b'\x40\x01a\x01b\x40\x01c\x01d')
    # RFC 7541 6.3: several before the first field.
    assert decoder.decode(b'\x3f\x03\x3f\xe1\x1f\xbe') == [(b'c', b'd')]
    with pytest.raises(HpackError):
        decoder.decode(b'\xbf')
    assert decoder.decode(b'\x20') == []
    with pytest.raises(HpackError):
        decoder.decode(b'\xbe')


@pytest.mark.parametrize('field', [b'\x82', b'\x82\x40\x01a\x01b', b'\x00\x01a\x01b'])
def test_a_block_of_too_many_fields_is_not_decoded(field):
    count = 1 + (len(field) == 6)
    decoder = HpackDecoder(fields_max=10 * count)
    assert len(decoder.decode(field * 10)) == 10 * count
    with pytest.raises(HpackExcessError):
        decoder.decode(field * 10 + b'\x82')
    with pytest.raises(HpackExcessError):
        decoder.decode(field * 1000)


def test_a_block_means_the_same_until_the_table_changes():
    decoder = HpackDecoder()
    changes = decoder.changes
    decoder.decode(b'\x82\x00\x01a\x01b\x10\x01a\x01b')
    assert decoder.changes == changes
    decoder.decode(b'\x40\x01a\x01b')
    assert decoder.changes > changes
    changes = decoder.changes
    decoder.decode(b'\x20')
    assert decoder.changes > changes


def test_remembered_texts_are_bounded_and_not_shared():
    decoder = HpackDecoder()
    coded = [hpack_huffman.encode(b'secret-%d' % number) for number in range(3 * TEXTS_MAX)]
    for text in coded:
        decoder.decode(b'\x00\x01a%c%b' % (128 | len(text), text))
    assert 0 < len(decoder._texts) <= TEXTS_MAX
    assert not HpackDecoder()._texts
    long = hpack_huffman.encode(b'secret' * 20)
    decoder.decode(b'\x00\x01a%c%b' % (128 | len(long), long))
    assert long not in decoder._texts


@given(st.binary(max_size=80))
def test_huffman_both_ways(text):
    assert hpack_huffman.decode(hpack_huffman.encode(text)) == text


def inflated(data):
    """What `inflate` should make of coded bytes."""
    try:
        text = hpack_huffman.decode(data)
    except HuffmanError:
        return None
    return text if all(huffman_codes()[byte][1] <= 15 for byte in text) else None


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), st.binary(max_size=3))
def test_zlib_decodes_what_the_table_does(text, more):
    coded = hpack_huffman.encode(text.encode())
    assert hpack_huffman.inflate(coded) == inflated(coded)
    assert hpack_huffman.inflate(coded + more) == inflated(coded + more)
    if coded:
        # One bit more or less of padding, or a code that is cut off.
        for changed in (coded[:-1], coded[:-1] + bytes((coded[-1] ^ 1,)), coded + b'\xff'):
            assert hpack_huffman.inflate(changed) == inflated(changed)


@given(st.binary(max_size=24))
def test_zlib_takes_nothing_that_the_table_does_not(data):
    assert hpack_huffman.inflate(data) == inflated(data)


@pytest.mark.parametrize('padding', range(8))
def test_zlib_takes_each_length_of_padding(padding):
    # Codes of five and of six bits.
    texts = [b'0' * fives + b'3' * sixes for fives in range(1, 9) for sixes in range(8)]
    text = next(text for text in texts if -(5 * len(text) + text.count(b'3')) % 8 == padding)
    coded = hpack_huffman.encode(text)
    assert hpack_huffman.inflate(coded) == text
    assert hpack_huffman.inflate(coded + b'\xff') is None


def test_what_is_unusual_is_decoded_by_table_from_then_on():
    decoder, usual = HpackDecoder(), hpack_huffman.encode(b'a' * 20)
    unusual = hpack_huffman.encode(b'\\' + b'a' * 20)
    for text in (usual, unusual, usual):
        assert decoder.text(text) == hpack_huffman.decode(text)
    with pytest.raises(HpackError):
        HpackDecoder().text(b'\xff' * INFLATED_BYTES_MIN)


@given(st.binary(max_size=40))
def test_huffman_takes_nothing_that_it_would_not_make(data):
    try:
        text = hpack_huffman.decode(data)
    except HuffmanError:
        return
    assert hpack_huffman.encode(text) == data


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_faulty(block):
    decoder = HpackDecoder()
    try:
        decoder.decode(block)
    except HpackError:
        return
    sizes = [len(name) + len(value) + 32 for name, value in decoder._table[NEWEST:]]
    assert sum(sizes) == decoder._bytes <= 4096


@pytest.mark.parametrize('seed', range(3))
def test_decodes_what_hpack_encodes(seed):
    check_decoder(600, seed)


@pytest.mark.parametrize('seed', range(3))
def test_encodes_what_hpack_decodes(seed):
    check_encoder(600, seed)


def test_secrets_are_never_indexed_nor_remembered(remembered):
    encoder = HpackEncoder()
    block = encoder.encode([(b'set-cookie', b'secret-1')], learn=True)
    assert block.startswith(b'\x1f\x28')
    assert encoder.changes == 0
    assert 'secret-1' not in remembered()
    assert HpackDecoder().decode(block) == [(b'set-cookie', b'secret-1')]


def test_the_encoder_learns_until_its_table_is_full():
    encoder, decoder = HpackEncoder(), HpackDecoder()
    fields = [(b'x-%d' % number, b'v' * 300) for number in range(30)]
    first = encoder.encode(fields, learn=True)
    assert decoder.decode(first) == fields
    changes = encoder.changes
    second = encoder.encode(fields, learn=True)
    assert encoder.changes == changes
    assert len(second) < len(first)
    assert decoder.decode(second) == fields


def test_the_smallest_size_in_between_is_told_too():
    # RFC 7541 4.2
    encoder, decoder = HpackEncoder(), HpackDecoder()
    decoder.decode(encoder.encode([CUSTOM], learn=True))
    encoder.resize(0)
    encoder.resize(65536)
    assert encoder.resized
    assert encoder.size_update() == bytes.fromhex('203fe11f')
    assert not encoder.resized
    encoder.resize(4096)
    assert not encoder.resized
    assert encoder.encode([CUSTOM]) == literal(CUSTOM)
