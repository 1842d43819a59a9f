"""The Huffman code of RFC 7541 5.2, both ways: by table, and what is usual by zlib.

Deflate (RFC 1951) has codes of up to 15 bits, canonical as HPACK's are, and HPACK's longer ones all begin with fifteen ones.
So a block of deflate that says so can be made, with fifteen ones for its end, which is also what padding is made of: zlib
decodes what follows its head. Only the order of the bits in a byte differs.
"""

from __future__ import annotations

import zlib
from typing import Any

from granian.protocol.hpack.tables import EOS, huffman_codes


class HuffmanError(ValueError):
    """Bytes that are not Huffman-coded text."""


# Where a decoder stands is what it has read of a code so far: an inner node of the tree. The row of a node says for each
# byte that may follow to which node's row it leads and what text came out. Rows are filled when first used: all 256 of
# them, which takes a hostile client, are 5 MB; the usual ones are some thirty.
_Row = list[tuple[list[Any], bytes]]
# (code, how many bits of it)
_Node = tuple[int, int]

_CODES = huffman_codes()
_BITS = {symbol: f'{code:0{bits}b}' for symbol, (code, bits) in _CODES.items()}
_SYMBOLS = {code: symbol for symbol, code in _CODES.items()}
_rows: dict[_Node, _Row] = {(0, 0): []}
_nodes: dict[int, _Node] = {id(_rows[0, 0]): (0, 0)}
_ROOT = _rows[0, 0]
# Where EOS leads, which no string may hold (RFC 7541 5.2).
_DEAD: _Row = []
_DEAD.extend([(_DEAD, b'')] * 256)
# Texts that come out of one byte, each kept once.
_texts: dict[bytes, bytes] = {}

# RFC 1951 3.2.7
_DEFLATE_BITS_MAX = 15
_END_OF_BLOCK = 256
_REVERSED = bytes([int(f'{byte:08b}'[::-1], 2) for byte in range(256)])
# How long the code of each byte is, those apart that deflate has none for.
_BITS_OF = bytes([len(_BITS[byte]) if len(_BITS[byte]) <= _DEFLATE_BITS_MAX else 0 for byte in range(256)])
# Fifteen ones and a zero, as deflate has its bits.
_CLOSING = b'\xff\x7f'


def _row(node: _Node) -> _Row:
    row = _rows.get(node)
    if row is None:
        row = _rows[node] = []
        _nodes[id(row)] = node
    return row


# RFC 7541 5.2: a string is padded to whole bytes with fewer than eight bits of EOS, which are all ones.
_ENDS = frozenset(id(_row(((1 << bits) - 1, bits))) for bits in range(8))


def _fill(row: _Row) -> None:
    node = _nodes[id(row)]
    row.extend([_step(node, byte) for byte in range(256)])


def _step(node: _Node, byte: int) -> tuple[_Row, bytes]:
    """Where `byte` leads from a node, and the text that came out on the way."""
    code, bits = node
    text = b''
    for shift in range(7, -1, -1):
        code, bits = code << 1 | byte >> shift & 1, bits + 1
        symbol = _SYMBOLS.get((code, bits))
        if symbol == EOS:
            return _DEAD, b''
        if symbol is not None:
            text += bytes((symbol,))
            code = bits = 0
    return _row((code, bits)), _texts.setdefault(text, text)


def decode(data: bytes) -> bytes:
    """The text of a coded string. Raises HuffmanError."""
    while True:
        row = _ROOT
        pieces: list[bytes] = []
        append = pieces.append
        try:
            for byte in data:
                row, text = row[byte]
                append(text)
        except IndexError:
            # Met for the first time: again from the start, now that it is there.
            _fill(row)
            continue
        if id(row) not in _ENDS:
            raise HuffmanError('bad padding or EOS in a Huffman-coded string')
        return b''.join(pieces)


def _block_head() -> bytes:
    """What a block of deflate with HPACK's code begins with, up to its first text (RFC 1951 3.2.3, 3.2.6, 3.2.7)."""
    # Three empty blocks of the fixed code, so that the text begins with a byte.
    bits = ('010' + '0000000') * 3
    # The last block, with a code of its own: 257 lengths of symbols, one of a distance, 19 of lengths.
    bits += '101' + '00000' + '00000' + '1111'
    # The code for lengths: those from 0 to 15 have four bits each. They come in this order, lowest bit first.
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
    bits += ''.join(['001' if length < 16 else '000' for length in order])
    bits += ''.join([f'{length:04b}' for length in [*_BITS_OF, _DEFLATE_BITS_MAX, 1]])
    return bytes([int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8)])


def _begun() -> Any:
    decompressor = zlib.decompressobj(wbits=-9)
    decompressor.decompress(_block_head())
    return decompressor


_begin = _begun().copy


def inflate(data: bytes) -> bytes | None:
    """As `decode`, sooner for all but short strings; None for faulty ones, and those with a code of more than 15 bits."""
    decompressor = _begin()
    # The bound is never met, as the shortest code has five bits: it has zlib begin with a small buffer.
    text: bytes = decompressor.decompress(data.translate(_REVERSED) + _CLOSING, 2 * len(data))
    if not decompressor.eof:
        # The last code is not whole.
        return None
    left = len(decompressor.unused_data)
    # The end of the block is fifteen bits long. Where it ends with our last byte, up to six of them were padding, else seven or more.
    if left == 0 or (left == 1 and sum(text.translate(_BITS_OF)) == 8 * len(data) - 7):
        return text
    return None


def encode(text: bytes) -> bytes:
    """A text, coded and padded."""
    bits = ''.join([_BITS[byte] for byte in text])
    bits += '1' * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, 'big') if bits else b''
