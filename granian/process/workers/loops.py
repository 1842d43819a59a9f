"""The registry of event loops, upstream's `granian.loops`: names, what they need, and how each is built."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from typing import TYPE_CHECKING, Any, TypeVar

from granian.errors import FatalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, KeysView

    Builder = Callable[..., asyncio.AbstractEventLoop]
    BuilderT = TypeVar('BuilderT', bound=Builder)

# What `auto` means.
FASTEST_FIRST = ('rloop', 'uvloop', 'winloop', 'asyncio')


class LoopRegistry:
    """Event loops by name. A builder is called with the packages it was registered with, as keywords."""

    def __init__(self) -> None:
        self._builders: dict[str, tuple[Builder, tuple[str, ...]]] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._builders

    def keys(self) -> KeysView[str]:
        return self._builders.keys()

    def register(self, name: str, packages: Iterable[str] = ()) -> Callable[[BuilderT], BuilderT]:
        """Register a builder under that name, in place of an earlier one; nothing happens where a package is missing."""
        needed = tuple(packages)

        def decorator(builder: BuilderT) -> BuilderT:
            if all(_installed(package) for package in needed):
                self._builders[name] = builder, needed
            return builder

        return decorator

    def get(self, name: str) -> asyncio.AbstractEventLoop:
        """A new event loop of that name."""
        if name not in self._builders:
            raise RuntimeError(f"'{name}' implementation not available.")
        builder, packages = self._builders[name]
        return builder(**self._imported(packages))

    def choose(self, name: str) -> str:
        """The name that will be built for `name`, its packages imported. Raises FatalError where they cannot be."""
        if name == 'auto' and self._builders['auto'][0] is build_auto:
            return self.fastest()
        if name not in self._builders:
            raise FatalError(f'the event loop {name!r} is not installed')
        try:
            self._imported(self._builders[name][1])
        except ImportError as exc:
            raise FatalError(f'the event loop {name!r} cannot be imported: {exc}') from exc
        return name

    def fastest(self) -> str:
        """The first of FASTEST_FIRST that imports."""
        return next(name for name in FASTEST_FIRST if self._imports(name))

    def _imports(self, name: str) -> bool:
        if name not in self._builders:
            return False
        try:
            self._imported(self._builders[name][1])
        except ImportError:
            return False
        return True

    def _imported(self, packages: Iterable[str]) -> dict[str, Any]:
        return {package: importlib.import_module(package) for package in packages}


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


loops = LoopRegistry()


@loops.register('asyncio')
def build_asyncio() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@loops.register('uvloop', packages=['uvloop'])
def build_uvloop(uvloop: Any) -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


@loops.register('rloop', packages=['rloop'])
def build_rloop(rloop: Any) -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = rloop.new_event_loop()
    return loop


@loops.register('winloop', packages=['winloop'])
def build_winloop(winloop: Any) -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = winloop.new_event_loop()
    return loop


@loops.register('auto')
def build_auto() -> asyncio.AbstractEventLoop:
    return loops.get(loops.fastest())
