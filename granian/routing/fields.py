"""Fields that a mount adds to every response of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.protocol.memory import Memory
from granian.protocol.responses import SECRET_FIELDS, ResponseHead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from granian.protocol.contract import Field


def dresser(extra: Sequence[Field]) -> Callable[[ResponseHead], ResponseHead]:
    """What adds these fields (names in lower case) to a head, each unless the application gave one of that name."""
    # Heads that repeat are the same objects, see `responses.response_head`.
    known: Memory[ResponseHead] = Memory(entries_max=256, key_bytes_max=0)
    recent = known.recent.get

    def dress(response: ResponseHead) -> ResponseHead:
        return recent(response) or known.recall(response) or made(response)

    def made(response: ResponseHead) -> ResponseHead:
        dressed = _with_fields(response, extra)
        # What may be somebody's secret is not kept.
        if SECRET_FIELDS.isdisjoint({name.lower() for name, _ in response.fields}):
            known.keep(response, dressed, 0)
        return dressed

    return dress


def _with_fields(response: ResponseHead, extra: Sequence[Field]) -> ResponseHead:
    given = {name.lower() for name, _ in response.fields}
    added = [field for field in extra if field[0] not in given]
    if not added:
        return response
    dressed = ResponseHead()
    for name in ResponseHead.__slots__:
        setattr(dressed, name, getattr(response, name))
    names = {name for name, _ in added}
    dressed.http2 = None
    dressed.fields = [*response.fields, *added]
    dressed.lines = response.lines + b''.join([b'%b: %b\r\n' % field for field in added])
    dressed.has_date = response.has_date or b'date' in names
    dressed.has_server = response.has_server or b'server' in names
    dressed.plain = response.plain and not (dressed.has_date or dressed.has_server)
    return dressed
