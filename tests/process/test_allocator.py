from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from granian.process.workers.allocator import keep_freed_memory
from granian.process.workers.worker import KEPT_BYTES_MAX

def resident_bytes():
    with open('/proc/self/statm') as statm:
        return int(statm.read().split()[1]) * 4096

if sys.argv[1] == 'keep':
    assert keep_freed_memory(KEPT_BYTES_MAX)
blocks = [b'x' * 100_000 for _ in range(80)]
full = resident_bytes()
del blocks
print(full - resident_bytes())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='only glibc can be told')
def test_freed_memory_stays_with_a_process_that_wants_it():
    given_back = {
        how: int(subprocess.run([sys.executable, '-c', PROGRAM, how], capture_output=True, check=True).stdout)
        for how in ('keep', 'leave')
    }
    assert given_back['keep'] < 1_000_000 < given_back['leave']
