"""Run the differential fuzzer for long: `python -m tests.conformance.websocket.fuzz --minutes 10 [--seed N]`."""

from __future__ import annotations

from tests.conformance import fuzz
from tests.conformance.websocket.differential import disagreement, random_input

if __name__ == '__main__':
    fuzz.main(__doc__, random_input, disagreement)
