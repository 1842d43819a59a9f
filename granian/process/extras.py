"""What only a program can give a server, and no document: callables of its own, a log configuration at hand, a watch filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Hook = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Extras:
    """Hooks run in the supervisor's process, one after the other."""

    # Everything is bound, no worker is there.
    on_startup: Sequence[Hook] = ()
    # A reload was asked for, nothing has been read yet.
    on_reload: Sequence[Hook] = ()
    # The last worker is gone.
    on_shutdown: Sequence[Hook] = ()
    # In a worker: the application of a target. None: what the target names is imported.
    load: Callable[[str], Any] | None = None
    # In the form of logging.config.dictConfig.
    log_document: dict[str, Any] | None = None
    # A class of watchfiles' filters; None: its DefaultFilter.
    watch_filter: type[Any] | None = None


NO_EXTRAS = Extras()


def run(hooks: Sequence[Hook]) -> None:
    """Raises what they raise."""
    # One may add another.
    for hook in tuple(hooks):
        hook()
