"""`granian serve` where processes can be forked: one of them reads, this one serves and has imported nothing of what reading takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.errors import FatalError
from granian.process.reading import read_apart
from granian.process.reloading.rereading import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from granian.config.model import Config
    from granian.process.reading import Reading


def serve(arguments: Sequence[str]) -> int:
    """What the program does with its arguments; the exit status."""

    def read(hand_over: Callable[[Reading], object]) -> int:
        from granian.cli import commands

        return commands.hand_over_reading(arguments, hand_over)

    def reread() -> Config:
        from granian.cli import commands

        return commands.reader(arguments)().config

    try:
        found = read_apart(read)
        if isinstance(found, int):
            return found
        if found.plan.watch is not None:
            # Files change often, and each time a process reads: it should not have to import first.
            from granian.cli import commands
        from granian.process.main import serve_reading

        return serve_reading(found, Source(reread, found.label, found.files))
    except FatalError as exc:
        # This process ends anyway.
        from granian.cli import commands

        return commands.explain(exc, arguments)
