"""Upstream's options and the document's keys that this version does not serve yet: refused by name, never ignored."""

from __future__ import annotations

# Upstream's flags; their variables follow from them, except for those of LATER_VARIABLE_NAMES.
LATER_FLAGS = frozenset({
    '--metrics', '--no-metrics', '--metrics-scrape-interval', '--metrics-address', '--metrics-port',
})  # fmt: skip
_OTHER_NAMES = {'--metrics': 'GRANIAN_METRICS_ENABLED'}
LATER_VARIABLES = frozenset(
    _OTHER_NAMES.get(flag, 'GRANIAN_' + flag.removeprefix('--').replace('-', '_').upper())
    for flag in LATER_FLAGS
    if not flag.startswith('--no-')
)
# Keys of the whole document, `[]` standing for an index.
LATER_KEYS = frozenset({
    'metrics',
})  # fmt: skip
NOT_YET = 'is not served by this version yet'
