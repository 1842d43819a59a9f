"""Heads at a limit and one over it. All of them under `LIMITS`."""

from __future__ import annotations

from tests.conformance.tables.heads import Refused, Served, head
from tests.helpers.engines import LIMITS


def sized_head(size: int) -> bytes:
    """A good head of so many bytes."""
    room = size - len(head(b'GET / HTTP/1.1', b'X: '))
    return head(b'GET / HTTP/1.1', b'X: ' + b'x' * room)


def with_target(size: int, method: bytes = b'GET') -> bytes:
    return head(b'%b /%b HTTP/1.1' % (method, b'x' * (size - 1)))


def with_fields(count: int) -> bytes:
    return head(b'GET / HTTP/1.1', *[b'X: x'] * (count - 1))


OVER_LIMITS: list[Refused] = [
    ('head-one-over', 431, sized_head(LIMITS.head_bytes_max + 1)),
    ('head-far-over', 431, sized_head(LIMITS.head_bytes_max * 3)),
    ('head-never-ends', 431, head(b'GET / HTTP/1.1', b'X: ' + b'x' * LIMITS.head_bytes_max)[:-2]),
    ('fields-one-over', 431, with_fields(LIMITS.fields_max + 1)),
    ('target-one-over', 414, with_target(LIMITS.target_bytes_max + 1)),
    ('target-far-over', 414, with_target(LIMITS.target_bytes_max * 3)),
    ('target-over-head-limit', 414, with_target(LIMITS.head_bytes_max * 2)),
    ('target-query-over', 414, head(b'GET /?%b HTTP/1.1' % (b'x' * LIMITS.target_bytes_max))),
    ('line-never-ends', 414, b'GET /' + b'x' * LIMITS.head_bytes_max),
    ('method-too-long', 414, head(b'%b / HTTP/1.1' % (b'X' * (LIMITS.target_bytes_max + 64)))),
]

AT_LIMITS: list[Served] = [
    ('head-at-limit', sized_head(LIMITS.head_bytes_max), {'raw_path': b'/'}),
    ('fields-at-limit', with_fields(LIMITS.fields_max), {'raw_path': b'/'}),
    (
        'target-at-limit',
        with_target(LIMITS.target_bytes_max),
        {'raw_path': b'/' + b'x' * (LIMITS.target_bytes_max - 1)},
    ),
    ('line-at-limit', with_target(LIMITS.target_bytes_max, b'X' * 54), {'method': 'X' * 54}),
]
