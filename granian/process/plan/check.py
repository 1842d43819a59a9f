"""What a document cannot tell by itself: whether its applications import and its addresses can be bound."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.adapters.loading import application_traceback, load
from granian.errors import AppLoadError, ConfigurationError
from granian.observe import logs
from granian.process import pid_file
from granian.process.listening.sockets import bind_faults
from granian.process.plan import sections
from granian.process.plan.holdings import NOTHING
from granian.process.report import in_short

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from granian.config.model import Config
    from granian.process.plan.holdings import Holdings

IMPORT_TIMEOUT_S = 60.0
_PLACE = re.compile(r'File "([^"]+)", line (\d+)')


def check(config: Config, import_timeout_s: float = IMPORT_TIMEOUT_S, held: Holdings = NOTHING) -> list[str]:
    """Import every application in a throw-away process, try every bind that is not `held`: the faults, each naming its key."""
    faults = []
    environment = {**sections.environment(config), **os.environ}
    for number, app in enumerate(config.apps):
        order = {
            'target': app.target,
            'factory': app.factory,
            'working_dir': None if config.server.working_dir is None else str(config.server.working_dir),
        }
        fault = _fault_elsewhere('app', order, environment, import_timeout_s)
        if fault:
            faults.append(f'apps[{number}].target: {fault}')
    if config.logging.config is not None:
        log = _fault_elsewhere('log', {'path': str(config.logging.config)}, environment, import_timeout_s)
        faults += [f'logging.config: {log}'] if log else []
    if config.server.pid_file is not None:
        pid_fault = pid_file.fault(config.server.pid_file, held.pid)
        faults += [f'server.pid_file: {pid_fault}'] if pid_fault else []
    try:
        wanted = sections.wanted(config)
    except ConfigurationError as exc:
        return [*faults, str(exc)]
    return faults + bind_faults(wanted, [number for number, want in enumerate(wanted) if held.hold(want.bind)])


def warnings(config: Config) -> Iterator[str]:
    """What its certificates will not suit, as the log of a server says it. They must be without fault."""
    for number, listener in enumerate(config.listeners):
        settings = sections.tls(listener)
        if settings is not None:
            # Here, so that a server in clear does not load OpenSSL.
            from granian.server.tls.credentials import Credentials

            for text in Credentials(settings).warnings(time.time()):
                yield f'listeners[{number}].tls: {text}'


def _fault_elsewhere(kind: str, order: Mapping[str, object], environment: Mapping[str, str], timeout_s: float) -> str:
    """What a throw-away process says of it; '': nothing."""
    with tempfile.TemporaryDirectory(prefix='granian-check-') as folder:
        # A file, because what the application prints goes where it wants.
        answer = Path(folder, 'answer')
        command = [sys.executable, '-m', __name__, kind, json.dumps(order), str(answer)]
        try:
            ended = subprocess.run(  # noqa: S603
                command,
                env=dict(environment),
                timeout=timeout_s,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return f'importing it takes longer than {timeout_s:g} s'
        try:
            return answer.read_text('utf-8')
        except FileNotFoundError:
            return f'importing it ended the process with status {ended.returncode}'


def _app_fault(order: Mapping[str, Any]) -> str:
    try:
        load(**order)
    except AppLoadError as exc:
        places = _PLACE.findall(application_traceback(exc))
        return str(exc) + (f' ({places[-1][0]}, line {places[-1][1]})' if places else '')
    return ''


def _log_fault(order: Mapping[str, Any]) -> str:
    try:
        logs.configure('info', logs.read_config(Path(order['path'])))
    except ConfigurationError as exc:
        return str(exc).removeprefix('logging.config: ')
    return ''


def _answer(kind: str, order: str, answer: str) -> None:
    """In the throw-away process."""
    try:
        fault = {'app': _app_fault, 'log': _log_fault}[kind](json.loads(order))
    # The application's own, KeyboardInterrupt among them.
    except BaseException as exc:
        place = traceback.extract_tb(exc.__traceback__)[-1]
        fault = f'importing it raised {in_short(exc)} ({place.filename}, line {place.lineno})'
    Path(answer).write_text(fault, 'utf-8')
    # Threads and exit handlers of the application have no say here.
    os._exit(0)


if __name__ == '__main__':
    _answer(*sys.argv[1:])
