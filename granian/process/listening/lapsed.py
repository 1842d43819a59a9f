"""Sockets of listeners that are gone, for as long as a worker still holds them: until then nobody else can have their ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.process.listening import syn_filter

if TYPE_CHECKING:
    from collections.abc import Collection

    from granian.process.listening.sockets import Sockets


class Lapsed:
    """`bind_all` takes what it wants of `sockets`; it is given back once somebody listens there again."""

    def __init__(self) -> None:
        self.sockets: list[Sockets] = []

    def take(self, gone: Sockets) -> None:
        """No newcomers from here on."""
        gone.keep_out()
        self.sockets.append(gone)

    def give_back(self, now: Sockets) -> None:
        """What is listened on `now` is its, newcomers and all."""
        wanted = set(map(id, now.every()))
        for each in self.sockets:
            for sock in each.every():
                if id(sock) in wanted:
                    syn_filter.detach(sock)
        self.sockets = [each.without(now) for each in self.sockets]

    def let_go(self, held: Collection[int]) -> None:
        """Close what nobody holds any more; `held`: by id."""
        for each in self.sockets:
            each.let_go(held)
        self.sockets = [each for each in self.sockets if each.bound]
