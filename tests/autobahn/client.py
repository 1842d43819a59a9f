"""The fuzzing client of the Autobahn test suite, in an environment of its own: it runs on Python 2.7 only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / '.venv-checks' / 'autobahn'
MARK = FOLDER / 'installed'
# The last that run on Python 2.7, as pip for it chose them.
REQUIREMENTS = (
    'autobahntestsuite==25.10.1', 'autobahn==0.10.9', 'Twisted==19.10.0', 'zope.interface==4.6.0', 'txaio==2.1.0', 'six==1.16.0',
    'Automat==22.10.0', 'PyHamcrest==1.10.1', 'Werkzeug==1.0.1', 'argparse==1.4.0', 'attrs==21.4.0', 'cffi==1.15.1',
    'constantly==15.1.0', 'cryptography==3.3.2', 'enum34==1.1.10', 'hyperlink==21.0.0', 'idna==2.10', 'incremental==16.10.1',
    'ipaddress==1.0.23', 'jinja2==2.11.3', 'klein==17.10.0', 'linecache2==1.0.0', 'markupsafe==1.1.1', 'pyOpenSSL==19.1.0',
    'pyasn1==0.5.1', 'pyasn1-modules==0.3.0', 'pycparser==2.21', 'service-identity==18.1.0', 'setuptools==44.0.0',
    'traceback2==1.4.0', 'typing==3.10.0.0', 'ujson==2.0.3', 'unittest2==1.1.0', 'wsaccel==0.6.6',
)  # fmt: skip
# Its folder of packages has to be added as a site, for the namespace of zope.
RUN = 'import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite.wstest import run; run()'
PASSED = ('OK', 'INFORMATIONAL')
# Sections, and how many cases they have. The others send megabytes, and take the client minutes.
QUICK = ('1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '10.*')
QUICK_CASES, ALL_CASES = 247, 517


class Unavailable(Exception):
    """Why the suite cannot run here."""


def find_python() -> str:
    """A Python 2.7. Raises Unavailable."""
    pyenv = Path(os.environ.get('PYENV_ROOT', '~/.pyenv')).expanduser()
    named = (os.environ.get('AUTOBAHN_PYTHON'), shutil.which('python2.7'))
    for python in (*named, *sorted(pyenv.glob('versions/2.7*/bin/python2.7'))):
        # What is found by name may be a shim that only says where others are.
        if python and not subprocess.run([python, '-c', ''], capture_output=True, check=False).returncode:
            return str(python)
    raise Unavailable('no Python 2.7 is here (AUTOBAHN_PYTHON names one), and the Autobahn test suite runs on no other')


def install() -> None:
    """Make the environment, unless it is there. Raises Unavailable."""
    python = find_python()
    wanted = '\n'.join((python, *REQUIREMENTS))
    if MARK.exists() and MARK.read_text() == wanted:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    command = [
        python,
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '--no-deps',
        '--target',
        str(FOLDER),
    ]
    done = subprocess.run([*command, *REQUIREMENTS], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f'autobahntestsuite cannot be installed:\n{done.stderr[-2000:]}')
    MARK.write_text(wanted)


def require() -> None:
    """Raise Unavailable where `install` was not called yet."""
    find_python()
    if not MARK.exists():
        raise Unavailable('autobahntestsuite is not installed: `python3 -m tests.autobahn --install` does it')


@dataclass(frozen=True)
class Outcome:
    case: str
    behavior: str
    closing: str

    @property
    def passed(self) -> bool:
        return self.behavior in PASSED and self.closing in PASSED

    def __str__(self) -> str:
        return f'{self.case}: {self.behavior}, closing {self.closing}'


def run(port: int, cases: tuple[str, ...], timeout_s: float | None = None) -> list[Outcome]:
    """Run the cases against a server on this port of the loopback address."""
    with tempfile.TemporaryDirectory() as folder:
        reports = Path(folder) / 'reports'
        spec = Path(folder) / 'spec.json'
        servers = [{'agent': 'granian', 'url': f'ws://127.0.0.1:{port}'}]
        spec.write_text(
            json.dumps(
                {
                    'outdir': str(reports),
                    'servers': servers,
                    'cases': cases,
                    'exclude-cases': [],
                    'exclude-agent-cases': {},
                }
            )
        )
        environment = {key: value for key, value in os.environ.items() if not key.startswith('PYTHON')}
        done = subprocess.run(
            [find_python(), '-c', RUN, str(FOLDER), '-m', 'fuzzingclient', '-s', str(spec)],
            cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=timeout_s,
        )  # fmt: skip
        index = reports / 'index.json'
        if not index.exists():
            raise Unavailable(
                f'the fuzzing client ended with {done.returncode} and no report:\n{(done.stdout + done.stderr)[-2000:]}'
            )
        return [
            Outcome(case, result['behavior'], result['behaviorClose'])
            for case, result in json.loads(index.read_text())['granian'].items()
        ]
