"""One configuration and what was built from it: its sockets, and how many workers share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from granian.process.sections import Plan
    from granian.process.sockets import Part, Sockets


@dataclass(frozen=True, slots=True)
class Generation:
    number: int
    plan: Plan
    sockets: Sockets
    # As configured, or what TTIN and TTOU made of that.
    workers: int

    def part(self, slot: int) -> Part:
        """What the worker in that slot accepts on."""
        return self.sockets.part(slot, self.workers)
