from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from granian.process.workers.worker import KEPT_BYTES_MAX

# Blocks of C's own: among those of Python something small may stay at the end of the heap, and then none of it is given back.
PROGRAM = """
import ctypes, sys
from granian.process.workers.allocator import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
if sys.argv[1] == 'keep':
    assert keep_freed_memory(int(sys.argv[2]))
blocks = [libc.malloc(100_000) for _ in range(80)]
full = libc.sbrk(0)
for block in reversed(blocks):
    libc.free(block)
print(full - libc.sbrk(0))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='only glibc can be told')
def test_freed_memory_stays_with_a_process_that_wants_it():
    given_back = {
        how: int(
            subprocess.run(
                [sys.executable, '-c', PROGRAM, how, str(KEPT_BYTES_MAX)], capture_output=True, check=True
            ).stdout
        )
        for how in ('keep', 'leave')
    }
    assert given_back['keep'] < 1_000_000 < given_back['leave']
