"""What a document cannot tell by itself: whether its applications import and its addresses can be bound."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from granian.adapters.loading import application_traceback, load
from granian.errors import AppLoadError
from granian.process import sections
from granian.process.sockets import bind_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from granian.config.model import Config

IMPORT_TIMEOUT_S = 60.0
_PLACE = re.compile(r'File "([^"]+)", line (\d+)')


def check(config: Config, import_timeout_s: float = IMPORT_TIMEOUT_S) -> list[str]:
    """Import every application in a throw-away process, try every bind: the faults, each naming its key."""
    faults = []
    environment = {**sections.environment(config), **os.environ}
    for number, app in enumerate(config.apps):
        order = {
            'target': app.target,
            'factory': app.factory,
            'working_dir': None if config.server.working_dir is None else str(config.server.working_dir),
        }
        fault = _import_fault(order, environment, import_timeout_s)
        if fault:
            faults.append(f'apps[{number}].target: {fault}')
    return faults + bind_faults(sections.wanted(config))


def _import_fault(order: Mapping[str, object], environment: Mapping[str, str], timeout_s: float) -> str:
    with tempfile.TemporaryDirectory(prefix='granian-check-') as folder:
        # A file, because what the application prints goes where it wants.
        answer = Path(folder, 'answer')
        command = [sys.executable, '-m', __name__, json.dumps(order), str(answer)]
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


def _answer(order: str, answer: str) -> None:
    """In the throw-away process."""
    try:
        load(**json.loads(order))
        fault = ''
    except AppLoadError as exc:
        places = _PLACE.findall(application_traceback(exc))
        fault = str(exc) + (f' ({places[-1][0]}, line {places[-1][1]})' if places else '')
    # The application's own, KeyboardInterrupt among them.
    except BaseException as exc:
        place = traceback.extract_tb(exc.__traceback__)[-1]
        fault = f'importing it raised {type(exc).__name__}: {exc} ({place.filename}, line {place.lineno})'
    Path(answer).write_text(fault, 'utf-8')
    # Threads and exit handlers of the application have no say here.
    os._exit(0)


if __name__ == '__main__':
    _answer(*sys.argv[1:])
