"""Headless Chromium holds a session: over HTTP/1.1, and over HTTP/2 where it speaks that already."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.browser import CHROMIUM, reported
from tests.helpers.server import running_server
from tests.helpers.tls import site

APPS = Path(__file__).parent / 'apps'
PATIENCE_S = 90

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='needs Chromium (Debian: chromium)')


@pytest.mark.parametrize(('scheme', 'version'), [('http', '1.1'), ('https', '2')])
def test_a_page_holds_a_session(scheme, version, tmp_path):
    certificate, key = site().write(tmp_path, 'site')
    more = ('--ssl-certificate', str(certificate), '--ssl-keyfile', str(key)) if scheme == 'https' else ()
    with running_server('--interface', 'asgi', *more, 'browser_app:app', cwd=APPS) as server:
        report = reported(f'{scheme}://127.0.0.1:{server.port}', '/', tmp_path, patience_s=PATIENCE_S)
    assert report['got'] == [4, len(version), 100000, 70000]
    assert (report['code'], report['protocol']) == (4000, 'two')
    assert report['extensions'].startswith('permessage-deflate')
