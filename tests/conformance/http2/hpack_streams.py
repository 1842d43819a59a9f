"""HPACK against the `hpack` package on generated streams of fields, both ways.

python -m tests.conformance.http2.hpack_streams --fields 1000000 [--seed N]
"""

from __future__ import annotations

import argparse
import random
import sys
import time

import hpack

from granian.protocol.hpack.decoder import HpackDecoder
from granian.protocol.hpack.encoder import HpackEncoder
from granian.protocol.hpack.tables import STATIC_FIELDS

TOKEN = b'abcdefghijklmnopqrstuvwxyz0123456789-_.'
PRINTABLE = bytes(range(0x20, 0x7F))
ANY = bytes(range(256))
NAMES = [name for name, _ in STATIC_FIELDS] + [b'x-request-id', b'sec-fetch-mode', b'priority', b'x']
# hpack takes no larger list.
LIST_BYTES_MAX = 1 << 24


class Generator:
    """Fields like those of real traffic, and unlike them: repeated, new, empty, long, of every byte."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seen = [(b':method', b'GET'), (b'cookie', b'a=b')]

    def text(self, alphabet: bytes, length_max: int) -> bytes:
        return bytes(self.random.choices(alphabet, k=self.random.randrange(length_max + 1)))

    def field(self) -> tuple[bytes, bytes]:
        kind = self.random.random()
        if kind < 0.4:
            return self.random.choice(self.seen)
        if kind < 0.5:
            return self.random.choice(STATIC_FIELDS)
        name = self.random.choice(NAMES) if kind < 0.8 else self.text(TOKEN, 20) or b'x'
        length_max = self.random.choice([3, 30, 30, 30, 200, 200, 5000])
        field = name, self.text(self.random.choice([TOKEN, PRINTABLE, ANY]), length_max)
        self.seen[self.random.randrange(len(self.seen)) if len(self.seen) > 60 else len(self.seen) :] = [field]
        return field

    def fields(self) -> list[tuple[bytes, bytes]]:
        return [self.field() for _ in range(self.random.randrange(1, 25))]

    def size(self) -> int | None:
        """Another size of the table, now and then."""
        return self.random.choice([0, 1, 33, 100, 500, 4095, 4096]) if self.random.random() < 0.02 else None


def check_decoder(count: int, seed: int) -> int:
    """What `hpack` encodes is what we decode; the fields that were checked."""
    generator = Generator(seed)
    theirs = hpack.Encoder()
    ours = HpackDecoder()
    done = 0
    while done < count:
        for size in (generator.size(), generator.size()):
            # hpack forgets to tell of a size that it is set to twice.
            if size not in (None, theirs.header_table_size):
                theirs.header_table_size = size
        fields = generator.fields()
        sensitive = [(*field, generator.random.random() < 0.1) for field in fields]
        block = theirs.encode(sensitive, huffman=generator.random.random() < 0.8)
        assert ours.decode(block) == fields, (seed, block)
        done += len(fields)
    return done


def check_encoder(count: int, seed: int) -> int:
    """What we encode is what `hpack` decodes; the fields that were checked."""
    generator = Generator(seed)
    ours = HpackEncoder()
    theirs = hpack.Decoder(LIST_BYTES_MAX)
    done = 0
    while done < count:
        for size in (generator.size(), generator.size()):
            if size is not None:
                ours.resize(size)
                # hpack holds the sizes to the last it allowed: the smaller of two would seem a fault.
                theirs.max_allowed_table_size = 4096
        fields = generator.fields()
        block = ours.size_update() if ours.resized else b''
        block += ours.encode(fields, learn=generator.random.random() < 0.3)
        assert [tuple(field) for field in theirs.decode(block, raw=True)] == fields, (seed, block)
        done += len(fields)
    return done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--fields', type=int, default=1_000_000)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 30))
    arguments = parser.parse_args()
    started = time.monotonic()
    done, seed = 0, arguments.seed
    while done < arguments.fields:
        # New tables after a while: the encoder leaves a full one alone.
        done += check_decoder(2000, seed) + check_encoder(2000, seed)
        seed += 1
    print(f'{done} fields, seeds {arguments.seed} to {seed - 1}, {time.monotonic() - started:.0f} s: no difference')
    return 0


if __name__ == '__main__':
    sys.exit(main())
