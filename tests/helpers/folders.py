"""A folder on the test's own loop: `async with folder(loop, engine, path, index='index.html') as server`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from granian.adapters.static.handler import StaticSettings
from granian.routing.table import Place
from granian.server.serving import Serving
from granian.server.settings import AS_THE_SERVER, FolderSettings
from tests.helpers.serving import Served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.serving import TestLoop

# Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 5.6.7.
MODIFIED_S = 784111777
MODIFIED = 'Sun, 06 Nov 1994 08:49:37 GMT'
EARLIER = 'Sun, 06 Nov 1994 08:49:36 GMT'
LATER = 'Sun, 06 Nov 1994 08:49:38 GMT'


def put(folder: Path, name: str, content: bytes = b'', modified_s: float = MODIFIED_S) -> Path:
    """A file that was changed at `modified_s`, with its folders."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified_s, modified_s))
    return path


def etag_of(path: Path, coding: str = '') -> str:
    facts = path.stat()
    return f'"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}{coding and "-" + coding}"'


class Folder(Served):
    def __init__(
        self, loop: TestLoop, engine: str, directory: Path, *, at: str = '/', app: Any = None, **more: Any
    ) -> None:
        names = ('limits', 'timeouts', 'unix_path', 'graceful_timeout_s', 'holds_time')
        served = {name: more.pop(name) for name in names if name in more}
        super().__init__(loop, engine, app, **served)
        files = StaticSettings(str(directory), **more)
        self.settings = replace(
            self.settings,
            apps=self.settings.apps if app else (),
            folders=(FolderSettings(Place(at), files, AS_THE_SERVER),),
        )
        self.serving = Serving(self.settings, [app] if app else [], self.loop)
        self.shared = self.serving.shared


def folder(loop: TestLoop, engine: str, directory: Path, **more: Any) -> Folder:
    """`at`: where it is mounted · `app`: what has the rest · others as in StaticSettings and Served."""
    return Folder(loop, engine, directory, **more)
