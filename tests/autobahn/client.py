"""The fuzzing client of the Autobahn test suite, in an environment of its own: it runs on Python 2.7 only."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    'traceback2==1.4.0', 'typing==3.10.0.0', 'ujson==2.0.3', 'unittest2==1.1.0',
)  # fmt: skip
# Masks and checks UTF-8 in C, which takes a compiler; without it the client takes hours over the large messages.
ACCELERATOR = 'wsaccel==0.6.6'
# Runs in that Python: its folder of packages has to be added as a site, for the namespace of zope.
LIST = """
import json, site, sys
site.addsitedir(sys.argv[1])
from autobahntestsuite import case, caseset
cases = caseset.CaseSet(case.CaseSetname, case.CaseBasename, case.Cases, case.CaseCategories, case.CaseSubCategories)
print(json.dumps(cases.parseSpecCases({'cases': sys.argv[2:]})))
"""
# Tells each outcome in a line as it comes, instead of reports of all at the end, and begins no case after its time but the first.
RUN = """
import json, os, site, sys, time
site.addsitedir(sys.argv.pop(1))
told, ends = os.fdopen(int(sys.argv.pop(1)), 'w'), time.time() + float(sys.argv.pop(1))
from autobahntestsuite import fuzzing, wstest
factory = fuzzing.FuzzingClientFactory
next_case = factory.nextCase
def tell(self, result):
    fields = [result[name] for name in ('id', 'behavior', 'behaviorClose', 'result', 'duration')]
    told.write(json.dumps(fields, encoding='latin-1') + chr(10))
    told.flush()
factory.logCase = tell
factory.nextCase = lambda self: next_case(self) if self.currSpecCase < 0 or time.time() < ends else False
factory.createReports = lambda self: None
wstest.run()
"""
# These the suite never calls OK, whatever a server does: RFC 6455 leaves it open.
INFORMATIONAL = frozenset({'7.1.6', '7.13.1', '7.13.2'})
# Sections; the others send megabytes, and take minutes.
QUICK = ('1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '10.*')
# Of the others one from each section, small enough for a test.
SAMPLE = (
    '9.1.1',
    '9.2.1',
    '9.5.6',
    '9.6.6',
    '9.7.3',
    '9.8.3',
    *(f'12.{n}.3' for n in range(1, 6)),
    *(f'13.{n}.3' for n in range(1, 8)),
)
# How many there are of QUICK, and of all. A suite that offers fewer is not taken for a whole one.
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
    wanted = '\n'.join((python, *REQUIREMENTS, ACCELERATOR))
    if MARK.exists() and MARK.read_text() == wanted:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    fault = pip_install(python, *REQUIREMENTS)
    if fault:
        raise Unavailable(f'autobahntestsuite cannot be installed:\n{fault}')
    fault = pip_install(python, ACCELERATOR)
    if fault:
        print(f'{ACCELERATOR} cannot be installed, so large messages will take long:\n{fault}', file=sys.stderr)
    MARK.write_text(wanted)


def pip_install(python: str, *requirements: str) -> str:
    """Put packages into the environment; what pip says where it cannot, else nothing."""
    options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--target', str(FOLDER)]
    command = [python, '-m', 'pip', 'install', *options, *requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr[-2000:] if done.returncode else ''


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
    result: str = ''
    duration_ms: int = 0

    @property
    def passed(self) -> bool:
        best = 'INFORMATIONAL' if self.case in INFORMATIONAL else 'OK'
        return self.behavior == self.closing == best

    def __str__(self) -> str:
        return f'{self.case}: {self.behavior}, closing {self.closing}: {self.result}'


def cases_of(patterns: tuple[str, ...]) -> list[str]:
    """The names of the cases that match any of these patterns, as in 9.1.*, in their order."""
    done = subprocess.run([*command(LIST), *patterns], env=environment(), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def run(port: int, cases: list[str], seconds: float = math.inf) -> Iterator[Outcome]:
    """Run the cases against a server on this port of the loopback address; none is begun after so many seconds."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        spec = Path(folder) / 'spec.json'
        servers = [{'agent': 'granian', 'url': f'ws://127.0.0.1:{port}'}]
        spec.write_text(
            json.dumps({'servers': servers, 'cases': cases, 'exclude-cases': [], 'exclude-agent-cases': {}})
        )
        log = stack.enter_context(open(Path(folder) / 'log', 'w+'))
        reading, writing = os.pipe()
        lines = stack.enter_context(open(reading))
        process = stack.enter_context(
            subprocess.Popen(
                [*command(RUN), str(writing), str(seconds), '-m', 'fuzzingclient', '-s', str(spec)],
                cwd=folder, env=environment(), stdout=log, stderr=log, pass_fds=[writing],
            )
        )  # fmt: skip
        stack.callback(process.kill)
        os.close(writing)
        yield from (Outcome(*json.loads(line)) for line in lines)
        if process.wait():
            log.seek(0)
            raise Unavailable(f'the fuzzing client ended with {process.returncode}:\n{log.read()[-2000:]}')


def command(source: str) -> list[str]:
    return [find_python(), '-c', source, str(FOLDER)]


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith('PYTHON')}
