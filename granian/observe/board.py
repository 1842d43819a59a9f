"""Memory that the supervisor, its workers and whoever serves metrics share: each number has one writer, and nobody waits.

One table of 64-bit words, made before those who share it are forked. The server's own numbers come first; then, for each slot, the row that
is shown for it; then the rows. A worker writes its own row, the supervisor everything else.
"""

from __future__ import annotations

import mmap
from array import array
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WORD_BYTES = 8
# Workers at once, at most; those that leave keep their rows until they are gone.
SLOTS = 1024
ROWS = 4 * SLOTS
OWN_WORDS = 8
ROW_WORDS = 24
_ROWS_AT = OWN_WORDS + SLOTS
# A row that changes hands again and again while it is read shows an old worker once: no harm.
READS_MAX = 3


class Board:
    """Pages nobody has written to cost nothing."""

    def __init__(self, own: Sequence[int] = ()) -> None:
        """`own`: the server's own numbers until now. Raises OSError."""
        self._words = memoryview(mmap.mmap(-1, (_ROWS_AT + ROWS * ROW_WORDS) * WORD_BYTES)).cast('Q')
        self._free = deque(range(ROWS))
        # Rows whose workers are gone, and which are shown until others take their places.
        self._left: set[int] = set()
        self._slots = 0
        for number, value in enumerate(own):
            self.tell(number, value)

    # ── the supervisor ───────────────────────────────────────────────────────────────────────────────────────────

    def tell(self, number: int, value: int) -> None:
        """What one of the server's own has come to."""
        self._words[number] = value

    def take(self) -> Row | None:
        """An empty row for a worker that is about to be forked; None: there are too many."""
        if not self._free:
            return None
        number = self._free.popleft()
        row = Row(number, self._row(number))
        row.write([0] * ROW_WORDS)
        return row

    def show(self, slot: int, row: Row) -> None:
        """Its numbers are those of the slot from here on."""
        before = self._words[OWN_WORDS + slot] - 1
        self._words[OWN_WORDS + slot] = row.number + 1
        self._slots = max(self._slots, slot + 1)
        if before in self._left and before != row.number:
            self._give_back(before)

    def hide_from(self, slots: int) -> None:
        """There are no more slots than that."""
        for slot in range(slots, self._slots):
            before = self._words[OWN_WORDS + slot] - 1
            self._words[OWN_WORDS + slot] = 0
            if before in self._left:
                self._give_back(before)
        self._slots = min(self._slots, slots)

    def drop(self, row: Row) -> None:
        """Its worker is gone; what it last wrote is shown until another takes its place."""
        if any(self._words[OWN_WORDS + slot] == row.number + 1 for slot in range(self._slots)):
            self._left.add(row.number)
        else:
            self._free.append(row.number)

    def _give_back(self, number: int) -> None:
        self._left.discard(number)
        self._free.append(number)

    # ── whoever reads ────────────────────────────────────────────────────────────────────────────────────────────

    def own(self) -> list[int]:
        """The server's own numbers."""
        return self._words[:OWN_WORDS].tolist()

    def shown(self) -> Iterable[tuple[int, Sequence[int]]]:
        """Slots, in order, and the numbers of their workers."""
        for slot in range(SLOTS):
            for _ in range(READS_MAX):
                number = self._words[OWN_WORDS + slot]
                values = self._row(number - 1).tolist() if number else []
                if self._words[OWN_WORDS + slot] == number:
                    break
            if values:
                yield slot, values

    def _row(self, number: int) -> memoryview:
        at = _ROWS_AT + number * ROW_WORDS
        return self._words[at : at + ROW_WORDS]


class Row:
    """What one worker writes."""

    def __init__(self, number: int, words: memoryview) -> None:
        self.number = number
        self._words = words

    def write(self, values: Sequence[int]) -> None:
        """All of them, in one copy: each number is whole, and none is old for long."""
        self._words[: len(values)] = array('Q', values)
