"""From an exchange to whoever answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from granian.routing.answers import FixedAnswer
from granian.routing.table import Table, resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from granian.exchange import Exchange, Terms
    from granian.protocol.contract import RequestHead
    from granian.routing.table import Place

    # Answers and raises nothing; what it returns, where it is not None, must be run for that.
    Answering = Coroutine[Any, Any, None] | None
    Handle = Callable[[Exchange], Answering]
    # Answers and returns True, or returns False and has sent nothing. Told the path below the mount.
    Offer = Callable[[Exchange, str], Coroutine[Any, Any, bool]]


@dataclass(frozen=True, slots=True)
class Mount:
    """Something that answers every request at its place."""

    place: Place
    handle: Handle
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """Files. What it does not answer goes to the next mount that holds the path."""

    place: Place
    offer: Offer
    terms: Terms | None = None


class Router:
    """All mounts of a worker. What none of them holds is not found."""

    def __init__(self, mounts: Sequence[Mount | Folder]) -> None:
        entries = [
            (mount.place, self._folder(mount) if isinstance(mount, Folder) else _plain(mount)) for mount in mounts
        ]
        self._table: Table[Handle] = Table(entries)
        self._find = self._table.find
        self._nobody = FixedAnswer(404, b'Not found').handle
        self.handle: Handle = self._handle
        if len(entries) == 1 and not entries[0][0].hosts and entries[0][0].path == '/':
            # It holds everything: there is nothing to look up.
            self.handle = entries[0][1]

    def _handle(self, exchange: Exchange) -> Answering:
        head = exchange.head
        return (self._find(head.authority, head.path) or self._nobody)(exchange)

    def _folder(self, mount: Folder) -> Handle:
        border = len(mount.place.path.rstrip('/'))

        async def handle(exchange: Exchange) -> None:
            if not await mount.offer(exchange, resolved(_exact(exchange.head))[border:]):
                answering = self._handle_after(agreed, exchange)
                if answering is not None:
                    await answering

        agreed = _with_terms(handle, mount.terms)
        return agreed

    def _handle_after(self, handle: Handle, exchange: Exchange) -> Answering:
        """As if that mount and those before it were not there."""
        exchange.agree(None)
        found = self._table.find_all(exchange.head.authority, exchange.head.path)
        later = found[found.index(handle) + 1 :]
        return (later[0] if later else self._nobody)(exchange)


def _exact(head: RequestHead) -> str:
    """The decoded path, with what is not UTF-8 as surrogates: a file may be called so."""
    if '\ufffd' not in head.path:
        return head.path
    return unquote_to_bytes(head.raw_path).decode(errors='surrogateescape')


def _plain(mount: Mount) -> Handle:
    return _with_terms(mount.handle, mount.terms)


def _with_terms(handle: Handle, terms: Terms | None) -> Handle:
    if terms is None:
        return handle

    def agreed(exchange: Exchange) -> Answering:
        return handle(exchange) if exchange.agree(terms) else None

    return agreed


def below_only(handle: Handle, path: str) -> Handle:
    """For who takes `path` off: what came there by a detour has no such beginning, and is not found."""
    nobody = FixedAnswer(404, b'Not found').handle
    border = len(path)

    def checked(exchange: Exchange) -> Answering:
        sent = exchange.head.path
        is_below = sent.startswith(path) and sent[border : border + 1] in {'', '/'}
        return handle(exchange) if is_below else nobody(exchange)

    return checked
