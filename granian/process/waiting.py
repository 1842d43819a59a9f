"""One `select` for everything that a supervisor waits for."""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Waitable(Protocol):
    """`fileno` is -1 once it is closed."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class Waiting:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def wait_for(self, what: Waitable, callback: Callable[[], None]) -> None:
        """Call back whenever there is something to read."""
        self._selector.register(what, selectors.EVENT_READ, callback)

    def let_go(self, what: Waitable) -> None:
        """Wait for it no longer, and close it."""
        self._selector.unregister(what)
        what.close()

    def step(self, timeout_s: float | None) -> None:
        """Wait once, and call back for all that came."""
        for key, _ in self._selector.select(timeout_s):
            what: Any = key.fileobj
            # What came before it in this round may have closed it.
            if what.fileno() != -1:
                key.data()

    def close(self) -> None:
        """What was waited for stays open."""
        self._selector.close()

    def leave(self, kept: Waitable) -> None:
        """In a child: close all of it, but for `kept`."""
        for key in list(self._selector.get_map().values()):
            what: Any = key.fileobj
            if what is not kept:
                what.close()
        self._selector.close()
