"""The fixed bodies of `apps.py` as files, for what is answered from one."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / '.peers' / 'files'


def path_of(name: str, body: bytes) -> str:
    """The path of a file `name` that holds `body`; made where it is missing."""
    path = FOLDER / name
    if not path.exists() or path.stat().st_size != len(body):
        FOLDER.mkdir(parents=True, exist_ok=True)
        # Several workers may do this at once: each makes a whole file, and the last stays.
        new = path.with_name(f'{name}.{os.getpid()}')
        new.write_bytes(body)
        new.replace(path)
    return str(path)
