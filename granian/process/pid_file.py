"""The file that names the supervisor's process."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from granian.errors import PidFileError

if TYPE_CHECKING:
    from pathlib import Path

# What is no plain file may wait for somebody at its other end.
_AT_ONCE = getattr(os, 'O_NONBLOCK', 0)


class PidFile:
    """Our process id is in the file until `close`; it is removed then if that is still so."""

    def __init__(self, path: Path | None, predecessor: int | None = None) -> None:
        """Raises PidFileError. None: there is no file. It may be taken over from a living `predecessor`."""
        self.path = path
        self._owner = os.getpid()
        if path is not None:
            _claim(path, self._owner, predecessor)

    def close(self) -> None:
        if self.path is None:
            return
        with contextlib.suppress(OSError, PidFileError):
            if _read(self.path) == self._owner:
                self.path.unlink()


def fault(path: Path, predecessor: int) -> str:
    """Why the file could not be held, or taken over from that process, or ''. Nothing is written."""
    try:
        _refuse_other(path, os.getpid(), predecessor)
    except PidFileError as exc:
        return str(exc)
    if not path.parent.is_dir():
        return f'The PID file {path} cannot be written: there is no directory {path.parent}'
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        return f'The PID file {path} cannot be written: permission denied'
    return ''


def _refuse_other(path: Path, owner: int, predecessor: int | None = None) -> None:
    holder = _read(path)
    if holder is not None and holder not in {owner, predecessor} and _is_alive(holder):
        raise PidFileError(f'The PID file {path} already exists for {holder}')


def _claim(path: Path, owner: int, predecessor: int | None) -> None:
    _refuse_other(path, owner, predecessor)
    try:
        _write(path, f'{owner}\n'.encode('ascii'))
    except OSError as exc:
        raise PidFileError(f'The PID file {path} cannot be written: {(exc.strerror or str(exc)).lower()}') from exc


def _write(path: Path, text: bytes) -> None:
    # Not emptied first: whoever reads it meanwhile, while it changes hands, finds a process id.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | _AT_ONCE, 0o666)
    try:
        os.write(fd, text)
        os.ftruncate(fd, len(text))
    finally:
        os.close(fd)


def _first_bytes(path: Path) -> bytes:
    # What is no plain file may have no end.
    fd = os.open(path, os.O_RDONLY | _AT_ONCE)
    try:
        return os.read(fd, 64)
    finally:
        os.close(fd)


def _read(path: Path) -> int | None:
    try:
        text = _first_bytes(path).decode('ascii').strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise PidFileError(f'The PID file {path} cannot be read: {exc}') from exc
    if not text:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise PidFileError(f'The PID file {path} does not hold a process id; remove it, or name another file')
    return int(text)


def _is_alive(pid: int) -> bool:
    if os.name == 'nt':
        # There is no harmless signal there to ask with.
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
