"""`wsgi.file_wrapper`: which files the server may send by itself."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from dataclasses import dataclass
from typing import Any

BLOCK_BYTES = 64 * 1024


class FileWrapper:
    """What an application returns to have a file sent (PEP 3333, "Optional Platform-Specific File Handling")."""

    def __init__(self, filelike: Any, block_size: int = BLOCK_BYTES) -> None:
        self.filelike = filelike
        self.block_size = block_size
        # Werkzeug seeks to the start of a range where it can, and reads all that is before it where not.
        for name in ('close', 'seekable', 'seek', 'tell'):
            if hasattr(filelike, name):
                setattr(self, name, getattr(filelike, name))

    def __iter__(self) -> FileWrapper:
        # Not a generator: who takes an iterator of it and closes that one closes the file.
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block


@dataclass(frozen=True, slots=True)
class Region:
    """What is left of an open file."""

    descriptor: int
    offset: int
    count: int


def region(filelike: Any) -> Region | None:
    """The part of a regular file that reading `filelike` to its end would give; None where it must be read to know."""
    if isinstance(filelike, tempfile._TemporaryFileWrapper):
        filelike = filelike.file
    # Only these: what decompresses or decrypts has a descriptor too, but of other bytes.
    raw = filelike.raw if type(filelike) in (io.BufferedReader, io.BufferedRandom) else filelike
    if type(raw) is not io.FileIO:
        return None
    if type(filelike) is io.BufferedRandom:
        filelike.flush()
    facts = os.fstat(raw.fileno())
    if not stat.S_ISREG(facts.st_mode):
        return None
    offset = filelike.tell()
    return Region(raw.fileno(), offset, max(0, facts.st_size - offset))
