"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes
import sys

# mallopt(3)
M_TRIM_THRESHOLD = -1


def keep_freed_memory(count: int) -> bool:
    """Let up to `count` bytes of freed memory stay with this process. False where the C library offers no such thing.

    Request bodies of some 100 KB come and go at the end of the heap. By default glibc gives that end back each time it
    passes 128 KiB, and a third of a WSGI worker's time then goes into growing it again.
    """
    if sys.platform != 'linux':
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and mallopt(M_TRIM_THRESHOLD, count) == 1
