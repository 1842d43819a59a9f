"""The Huffman code of RFC 7541 5.2, both ways, by table."""

from __future__ import annotations

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


def encode(text: bytes) -> bytes:
    """A text, coded and padded."""
    bits = ''.join([_BITS[byte] for byte in text])
    bits += '1' * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, 'big') if bits else b''
