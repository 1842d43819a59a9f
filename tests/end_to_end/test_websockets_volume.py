"""The command `python -m tests.end_to_end.volume`, with less of it."""

from __future__ import annotations

import pytest

from tests.end_to_end.volume import MIB, MODULES, held, which
from tests.helpers.browser import CHROMIUM

needs_ws = pytest.mark.skipif(
    which('node') is None or not (MODULES / 'ws').is_dir(),
    reason='needs Node and its package ws: npm install --prefix .venv-checks/node ws@8',
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason='needs Chromium (Debian: chromium)')


@pytest.mark.parametrize(
    ('client', 'compressed'),
    [
        ('websockets', True),
        pytest.param('ws', True, marks=needs_ws),
        pytest.param('chromium', True, marks=needs_chromium),
        pytest.param('chromium', False, marks=needs_chromium),
    ],
)
def test_much_comes_back_as_it_was_sent(client, compressed):
    # More than each size once, both as text and as bytes.
    assert held(client, 3 * MIB, compressed=compressed).startswith('19 messages of 3 MiB came back in ')
