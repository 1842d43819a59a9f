"""The bounded memory on its own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from granian.protocol.memory import Memory


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans())))
def test_a_value_is_that_of_its_key_or_forgotten(steps):
    memory: Memory[str] = Memory(entries_max=3, key_bytes_max=10)
    look = memory.recent.get
    for key, keeps in steps:
        value = look(key) or memory.recall(key)
        assert value in (None, f'value of {key}')
        if value is None and keeps:
            memory.keep(key, f'value of {key}', 1)
        assert len(memory.recent) <= 3
        assert len(memory) <= 6


@given(st.lists(st.integers(0, 100), min_size=1))
def test_what_was_kept_last_is_there(keys):
    memory: Memory[int] = Memory(entries_max=3, key_bytes_max=10)
    for key in keys:
        memory.keep(key, key, 1)
        assert memory.recent[key] == key


def test_what_is_in_use_outlives_what_is_not():
    memory: Memory[int] = Memory(entries_max=4, key_bytes_max=10)
    memory.keep('used', 1, 1)
    for key in range(100):
        memory.keep(key, key, 1)
        assert memory.recent.get('used') or memory.recall('used')
    assert memory.recent.get(0) is None
    assert memory.recall(0) is None


def test_large_keys_are_not_kept():
    memory: Memory[int] = Memory(entries_max=4, key_bytes_max=10)
    memory.keep('large', 1, 11)
    memory.keep('fits', 1, 10)
    assert 'large' not in memory.recent
    assert 'fits' in memory.recent
