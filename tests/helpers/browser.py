"""Headless Chromium, and what its pages report."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
OPTIONS = ('--headless', '--no-sandbox', '--disable-gpu', '--ignore-certificate-errors', '--disable-dev-shm-usage')


def reported(origin: str, path: str, profile: Path, *, patience_s: float) -> dict[str, Any]:
    """What the page at `path` reports first; it is told by `browser_app`."""
    assert CHROMIUM is not None
    browser = subprocess.Popen(
        [CHROMIUM, *OPTIONS, f'--user-data-dir={profile}', '--remote-debugging-port=0', f'{origin}{path}'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return _first_report(f'{origin}/reports', patience_s)
    finally:
        browser.terminate()
        browser.wait(patience_s)


def _first_report(url: str, patience_s: float) -> dict[str, Any]:
    deadline = time.monotonic() + patience_s
    with httpx.Client(verify=False, timeout=patience_s) as client:
        while time.monotonic() < deadline:
            if text := client.get(url).text:
                return json.loads(text.splitlines()[0])
            time.sleep(0.1)
    raise AssertionError(f'the page reported nothing within {patience_s} s')
