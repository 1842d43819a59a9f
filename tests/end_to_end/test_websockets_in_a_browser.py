"""Headless Chromium holds a session: over HTTP/1.1, and over HTTP/2 where it speaks that already."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.helpers.server import running_server
from tests.helpers.tls import site

APPS = Path(__file__).parent / 'apps'
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
PATIENCE_S = 90

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason='needs Chromium (Debian: chromium)')


@pytest.mark.parametrize(('scheme', 'version'), [('http', '1.1'), ('https', '2')])
def test_a_page_holds_a_session(scheme, version, tmp_path):
    certificate, key = site().write(tmp_path, 'site')
    more = ('--ssl-certificate', str(certificate), '--ssl-keyfile', str(key)) if scheme == 'https' else ()
    with running_server('--interface', 'asgi', *more, 'browser_app:app', cwd=APPS) as server:
        url = f'{scheme}://127.0.0.1:{server.port}'
        options = [
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--ignore-certificate-errors',
            '--disable-dev-shm-usage',
        ]
        browser = subprocess.Popen(
            [CHROMIUM, *options, f'--user-data-dir={tmp_path}', '--remote-debugging-port=0', f'{url}/'],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            report = first_report(f'{url}/reports')
        finally:
            browser.terminate()
            browser.wait(PATIENCE_S)
    assert report['got'] == [4, len(version), 100000, 70000]
    assert (report['code'], report['protocol']) == (4000, 'two')
    assert report['extensions'].startswith('permessage-deflate')


def first_report(url):
    deadline = time.monotonic() + PATIENCE_S
    with httpx.Client(verify=False, timeout=PATIENCE_S) as client:
        while time.monotonic() < deadline:
            if text := client.get(url).text:
                return json.loads(text.splitlines()[0])
            time.sleep(0.1)
    raise AssertionError(f'the page reported nothing within {PATIENCE_S} s')
