"""Every check of the project in one command: `python3 -m tests`.

Makes an environment of its own on first use (`.venv-checks/`, one for each Python), installs the project and what its
tests need, then runs format check, lint, types, import contracts and the tests. Needs only Python and a package index.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS = {
    'format': ['ruff', 'format', '--check', '.'],
    'lint': ['ruff', 'check', '.'],
    'types': ['mypy'],
    'imports': ['lint-imports'],
    # One process for each core; `--pytest=-n0` for a debugger.
    'tests': ['pytest', '-n', 'auto'],
}


def main() -> int:
    parser = argparse.ArgumentParser(prog='python3 -m tests', description=__doc__)
    parser.add_argument('checks', nargs='*', metavar='CHECK', help='which checks; all by default')
    parser.add_argument('--pytest', default='', help='arguments for pytest, as one string')
    parser.add_argument('--paths', nargs='+', default=[], help='which tests; all by default')
    arguments = parser.parse_args()
    unknown = set(arguments.checks) - set(CHECKS)
    if unknown:
        parser.error(f'no such check: {", ".join(sorted(unknown))}; there are {", ".join(CHECKS)}')
    binaries = prepare(environment_path())
    more = [*arguments.paths, *arguments.pytest.split()]
    failed = [name for name in arguments.checks or CHECKS if not run(name, binaries, more)]
    if failed:
        print(f'\nFailed: {", ".join(failed)}', flush=True)
        return 1
    return 0


def environment_path() -> Path:
    return ROOT / '.venv-checks' / f'{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}'


def prepare(path: Path) -> Path:
    """An environment with the project and what its tests need; its folder of programs."""
    binaries = path / ('Scripts' if os.name == 'nt' else 'bin')
    wanted = hashlib.sha256((ROOT / 'pyproject.toml').read_bytes()).hexdigest()
    mark = path / 'installed'
    if mark.exists() and mark.read_text() == wanted:
        return binaries
    print(f'Preparing {path.relative_to(ROOT)} …', flush=True)
    venv.create(path, with_pip=True, clear=True)
    install = [str(binaries / 'python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
    subprocess.run([*install, 'pip>=25.1'], cwd=ROOT, check=True)
    subprocess.run([*install, '--editable', '.', '--group', 'dev'], cwd=ROOT, check=True)
    mark.write_text(wanted)
    return binaries


def run(name: str, binaries: Path, pytest_arguments: list[str]) -> bool:
    command, *arguments = CHECKS[name]
    if name == 'tests':
        arguments = [*arguments, *pytest_arguments]
    print(f'\n── {name}: {" ".join([command, *arguments])}', flush=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(('GRANIAN_', 'PYTHON'))}
    environment['PATH'] = f'{binaries}{os.pathsep}{environment.get("PATH", "")}'
    started = time.monotonic()
    status = subprocess.run([binaries / command, *arguments], cwd=ROOT, env=environment, check=False).returncode
    print(f'── {name}: {"passed" if status == 0 else "FAILED"} in {time.monotonic() - started:.0f} s', flush=True)
    return status == 0


if __name__ == '__main__':
    sys.exit(main())
