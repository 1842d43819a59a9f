"""What is said of a file before its bytes: entity tag, dates, type, caching."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from granian.adapters.static.conditions import Validators
from granian.protocol.memory import Memory
from granian.protocol.responses import response_head

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from granian.adapters.static.caching import CachePolicies
    from granian.adapters.static.settings import Coding
    from granian.adapters.static.types import MediaTypes
    from granian.protocol.contract import Field, Fields
    from granian.protocol.responses import ResponseHead

# RFC 9110 15.4.5: what a 304 tells of the 200 it stands for, so far as we send it. The rest the client has.
_KEPT_IN_304 = frozenset({b'cache-control', b'etag', b'vary'})


class Representation:
    """One state of a file, in one coding. Shared: never change one."""

    __slots__ = ('fields', 'size', 'unchanged', 'validators', 'whole')
    size: int
    validators: Validators
    # Of 206; with its length, the head of 200; without what is said of the bytes, that of 304.
    fields: Fields
    whole: ResponseHead
    unchanged: Fields


class Representations:
    """Files' facts → what is said of them. What is remembered holds for as long as the facts are the same."""

    def __init__(self, types: MediaTypes, policies: CachePolicies, headers: Sequence[Field], *, varies: bool) -> None:
        self._types = types
        self._policies = policies
        self._headers = tuple(headers)
        self._given = frozenset(name for name, _ in headers)
        self._varies = varies
        self._known: Memory[Representation] = Memory(entries_max=1024, key_bytes_max=512)

    def of(self, segments: Sequence[bytes], coding: Coding | None, facts: os.stat_result) -> Representation:
        key = (*segments, coding, facts.st_ino, facts.st_mtime_ns, facts.st_size)
        known = self._known.recent.get(key) or self._known.recall(key)
        if known is None:
            known = self._make(segments, coding, facts)
            # A date ahead of the clock is told as now (RFC 9110 8.8.2.1), and that passes.
            if facts.st_mtime <= time.time():
                self._known.keep(key, known, sum(map(len, segments)))
        return known

    def _make(self, segments: Sequence[bytes], coding: Coding | None, facts: os.stat_result) -> Representation:
        made = Representation()
        made.size = facts.st_size
        modified_s = max(0, min(int(facts.st_mtime), int(time.time())))
        tag = b'"%x-%x-%x%b"' % (
            facts.st_ino,
            facts.st_mtime_ns & (1 << 64) - 1,
            facts.st_size,
            f'-{coding}'.encode() if coding else b'',
        )
        made.validators = Validators(tag, formatdate(modified_s, usegmt=True).encode(), modified_s)
        ours = self._fields(segments, coding, made.validators)
        made.fields = [*[field for field in ours if field[0] not in self._given], *self._headers]
        made.whole = response_head(200, [*made.fields, (b'content-length', b'%d' % facts.st_size)])
        left_out = {name for name, _ in ours} - _KEPT_IN_304 - self._given
        made.unchanged = [field for field in made.fields if field[0] not in left_out]
        return made

    def _fields(self, segments: Sequence[bytes], coding: Coding | None, validators: Validators) -> Fields:
        kind = self._types.of(segments[-1])
        policy = self._policies.of(segments)
        return [
            *([(b'content-type', kind)] if kind else []),
            *([(b'content-encoding', coding.encode())] if coding else []),
            (b'etag', validators.etag),
            (b'last-modified', validators.last_modified),
            (b'accept-ranges', b'bytes'),
            *([(b'cache-control', policy)] if policy else []),
            *([(b'vary', b'accept-encoding')] if self._varies else []),
        ]
