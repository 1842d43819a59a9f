"""One configuration and what was built from it: its sockets, and how many workers share them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from granian.process.listening.sockets import Bound, Part, Sockets
    from granian.process.plan.sections import Plan, WorkerSettings
    from granian.server.tls.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Generation:
    number: int
    plan: Plan
    sockets: Sockets
    # As configured, or what TTIN and TTOU made of that.
    workers: int
    # For each listener of the plan.
    credentials: tuple[Credentials | None, ...]

    def part(self, slot: int) -> Part:
        """What the worker in that slot accepts on."""
        return self.sockets.part(slot, self.workers)

    def worker_at(self, bound: Sequence[Bound]) -> WorkerSettings:
        """What a worker that accepts on `bound` is told."""
        told = self.plan.worker_at(bound)
        pairs = zip(told.serving.listeners, bound, strict=True)
        listeners = tuple(replace(each, credentials=self.credentials[place.listener]) for each, place in pairs)
        return replace(told, serving=replace(told.serving, listeners=listeners))

    def exporter_at(self, bound: Sequence[Bound]) -> WorkerSettings:
        """What the process is told that serves metrics there."""
        assert self.plan.metrics is not None
        told = self.plan.metrics
        (listener,) = told.serving.listeners
        listeners = tuple(replace(listener, address=each.address) for each in bound)
        return replace(told, serving=replace(told.serving, listeners=listeners))
