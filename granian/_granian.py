"""Upstream's compiled module, as far as other people's code imports from it."""

from __future__ import annotations

import os
import sysconfig
from typing import TYPE_CHECKING

from granian import __version__
from granian.process.pool.health import resident_bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ['BUILD_GIL', 'ProcInfoCollector', '__version__']

BUILD_GIL = not sysconfig.get_config_var('Py_GIL_DISABLED')


class ProcInfoCollector:
    """The memory of processes."""

    def memory(self, pids: Iterable[int] | None = None) -> dict[int, int]:
        """Resident bytes by process id; of this process, where none is named. Those that are gone are left out."""
        found = {pid: resident_bytes_of(pid) for pid in ([os.getpid()] if pids is None else pids)}
        return {pid: size for pid, size in found.items() if size is not None}
