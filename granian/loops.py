"""Upstream's import path of the loop registry: `from granian import loops` gives the registry itself."""

from __future__ import annotations

import sys

from granian.process.workers.loops import loops

# What a type checker sees of it.
register = loops.register
get = loops.get
keys = loops.keys

# `'uvloop' in loops` needs an object with a __contains__ of its own, which no module has.
sys.modules[__name__] = loops  # type: ignore[assignment]
