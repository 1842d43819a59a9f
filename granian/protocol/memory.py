"""A bounded memory of what repeats: two generations, so that forgetting is cheap and what is in use stays."""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar('V')


class Memory(Generic[V]):
    """Bytes → value for at most `2 * entries_max` keys of at most `key_bytes_max` bytes each.

    WSGI threads share one: under the GIL each step leaves it whole, and those that race forget too much at worst.

    Look in `recent` first (that is the fast path, and why it is public), then call `recall`.
    """

    __slots__ = ('_older', 'entries_max', 'key_bytes_max', 'recent')

    def __init__(self, entries_max: int, key_bytes_max: int) -> None:
        self.entries_max = entries_max
        self.key_bytes_max = key_bytes_max
        self.recent: dict[object, V] = {}
        self._older: dict[object, V] = {}

    def recall(self, key: object) -> V | None:
        """The value kept for `key` by the older generation, made recent again."""
        value = self._older.get(key)
        if value is not None:
            self._put(key, value)
        return value

    def keep(self, key: object, value: V, key_bytes: int) -> None:
        """Remember, unless the key is too large to be worth it."""
        if key_bytes <= self.key_bytes_max:
            self._put(key, value)

    def _put(self, key: object, value: V) -> None:
        if len(self.recent) >= self.entries_max:
            # Cleared in place: callers may hold `recent.get`.
            self._older.clear()
            self._older.update(self.recent)
            self.recent.clear()
        self.recent[key] = value

    def __len__(self) -> int:
        return len(self.recent) + len(self._older)
