"""CPU time and memory of a process tree."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks import procfs

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='reads /proc')

BURN = 'import time\nwhile time.process_time() < 0.3: pass\n'
# A parent that waits for one child that burns, and leaves another burnt one alive.
FAMILY = f"""
import subprocess, sys
subprocess.run([sys.executable, '-c', {BURN!r}], check=True)
alive = subprocess.Popen([sys.executable, '-c', {BURN + 'print("burnt", flush=True); input()'!r}],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
alive.stdout.readline()
print(alive.pid, flush=True)
input()
alive.communicate(b'\\n')
"""


def test_stat_is_read_past_a_command_name_with_brackets_and_blanks():
    text = '42 (a) b) ( c) S 7 42 42 0 -1 4194560 1 0 0 0 10 20 3 4 20 0 1 0 100 200 300'
    assert procfs.parse_stat(text) == procfs.Stat(pid=42, parent=7, ticks=37)


def test_pss_line_is_found_among_its_likes():
    assert procfs.parse_pss_kib('Rss: 9 kB\nPss_Dirty: 8 kB\nPss:     1234 kB\nPss_Anon: 1 kB\n') == 1234


def test_rollup_without_pss_is_refused():
    with pytest.raises(ValueError, match='no Pss line'):
        procfs.parse_pss_kib('Rss: 9 kB\n')


def test_tree_counts_living_and_waited_for_children():
    with subprocess.Popen(
        [sys.executable, '-c', FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        assert {stat.pid for stat in procfs.tree(parent.pid)} == {parent.pid, child}
        # Two times 0.3 s, each of four figures rounded down to a whole tick of 10 ms.
        assert 0.55 <= procfs.cpu_s(parent.pid) < 6
        assert procfs.pss_mib(parent.pid) > procfs.pss_mib(child) > 1
        parent.communicate('\n')
    assert procfs.tree(parent.pid) == []


def test_tree_of_a_process_holds_itself():
    assert os.getpid() in {stat.pid for stat in procfs.tree(os.getpid())}
