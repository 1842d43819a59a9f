"""What a program wants done at the turns of a server's life."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.process.extras import Hook

Registered = TypeVar('Registered', bound='Callable[[], object]')


class Hooks:
    """Each method takes a callable without arguments and returns it, so that it serves as a decorator, too."""

    def __init__(self) -> None:
        self.hooks_startup: list[Hook] = []
        self.hooks_reload: list[Hook] = []
        self.hooks_shutdown: list[Hook] = []

    def on_startup(self, hook: Registered) -> Registered:
        """Once everything is bound, and before an application is started."""
        self.hooks_startup.append(hook)
        return hook

    def on_reload(self, hook: Registered) -> Registered:
        """When a reload begins. One that raises ends it: what serves goes on."""
        self.hooks_reload.append(hook)
        return hook

    def on_shutdown(self, hook: Registered) -> Registered:
        """When nothing is served any more."""
        self.hooks_shutdown.append(hook)
        return hook
