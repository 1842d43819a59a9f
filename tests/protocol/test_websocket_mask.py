"""Masks taken off in C do what the letter of RFC 6455 5.3 says."""

from __future__ import annotations

import os

import pytest

from granian.protocol.websocket.mask import INTEGER_BYTES_MAX, rotated, unmasked
from tests.helpers.websocket_engines import xored

SIZES = (*range(12), *range(INTEGER_BYTES_MAX - 4, INTEGER_BYTES_MAX + 6), 1000, 4096, 16384, 65537)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('mask', [b'\x12\xfe\x80\x07', b'\x00\x00\x00\x00', b'\xff\xff\xff\xff', b'\x00\x01\x00\x80'])
def test_by_the_letter(size, mask):
    data = os.urandom(size)
    assert unmasked(data, mask) == xored(data, mask)


def test_every_byte_of_a_mask():
    data = bytes(range(256)) * 4
    for byte in range(256):
        mask = bytes((byte, 255 - byte, byte ^ 0x55, 0))
        assert unmasked(data, mask) == xored(data, mask)


@pytest.mark.parametrize('size', [0, 1, 2, 3, 4, 5, 1001, 1002, 1003])
def test_a_payload_in_two_pieces(size):
    data, mask = os.urandom(size + 1500), b'abcd'
    assert unmasked(data[:size], mask) + unmasked(data[size:], rotated(mask, size)) == xored(data, mask)
