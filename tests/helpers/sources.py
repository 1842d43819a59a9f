"""Source files that change faster than people change them."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_times = itertools.count(1)


def write_source(path: Path, text: str) -> None:
    """Write a module so that Python notices: it tells a compiled file's age by whole seconds, and its source's size."""
    path.write_text(text)
    second = next(_times)
    os.utime(path, (second, second))
