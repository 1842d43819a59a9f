from __future__ import annotations

import fcntl
import subprocess
import time
from pathlib import Path

import pytest

from granian.config import ConfigurationFaults, load

# They are made for a year.
FRESH_S = 30 * 86400


@pytest.fixture(scope='session', autouse=True)
def example_certificates():
    """What the examples name, made as their reader is told to: certificates expire, so they are not committed."""
    script = Path(__file__).parents[2] / 'examples' / 'configs' / 'certs' / 'make.sh'
    made = script.with_name('made')
    with script.open() as lock:
        # Tests run in several processes.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or time.time() - made.stat().st_mtime > FRESH_S:
            subprocess.run(['/bin/sh', script], check=True, capture_output=True, timeout=60)


@pytest.fixture
def loaded(tmp_path):
    """Load with a `granian.toml` of this text, these variables and these flags, in an empty directory."""

    def load_with(toml='', environ=None, flags=None, **options):
        if toml:
            (tmp_path / 'granian.toml').write_bytes(toml if isinstance(toml, bytes) else toml.encode())
        return load(flags=flags or {}, environ=environ or {}, cwd=tmp_path, **options)

    return load_with


@pytest.fixture
def report(loaded):
    """What a person reads when that is refused."""

    def report_of(*args, **options):
        with pytest.raises(ConfigurationFaults) as refused:
            loaded(*args, **options)
        return str(refused.value)

    return report_of
