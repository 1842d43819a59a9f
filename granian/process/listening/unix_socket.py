"""A listening Unix socket and its file: a stale file is replaced, a live one is not, and only our own is removed."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from granian.errors import BindError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from granian.process.privileges import Identity

# sockaddr_un.sun_path with its closing NUL: 108 on Linux, 104 elsewhere.
PATH_BYTES_MAX = 107 if sys.platform == 'linux' else 103


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The file of a socket we bound, told apart from one that somebody put in its place."""

    path: str
    device: int
    inode: int

    @classmethod
    def at(cls, path: str) -> SocketFile:
        """The file that is there now."""
        found = os.lstat(path)
        return cls(path, found.st_dev, found.st_ino)

    def is_ours(self) -> bool:
        """Whether it is still there, and nothing else in its place."""
        try:
            return SocketFile.at(self.path) == self
        except OSError:
            return False

    def set(self, mode: int | None, owner: Identity | None) -> None:
        """Who may connect; None: as it is."""
        with _directory_locked(self.path):
            if not self.is_ours():
                return
            if mode is not None:
                Path(self.path).chmod(mode)
            if owner is not None:
                os.chown(self.path, owner.uid, owner.gid)

    def remove(self) -> None:
        """Remove the file if it is still ours; one that may not be removed is no harm: whoever binds there replaces it."""
        with _directory_locked(self.path), contextlib.suppress(OSError):
            if self.is_ours():
                Path(self.path).unlink()


def listen(
    path: str, backlog: int, permissions: int | None, owner: Identity | None = None
) -> tuple[socket.socket, SocketFile]:
    """A listening socket at `path`. Raises BindError or OSError."""
    if not hasattr(socket, 'AF_UNIX'):
        raise BindError('this platform has no Unix sockets')
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise BindError(f'the path is longer than the {PATH_BYTES_MAX} bytes a Unix socket may have')
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # From the look at an old file until ours listens, another server must not do the same.
        with _directory_locked(path):
            _clear(path)
            with _file_mode(permissions):
                sock.bind(path)
            if owner is not None:
                os.chown(path, owner.uid, owner.gid)
            sock.listen(backlog)
            file = SocketFile.at(path)
    except (OSError, BindError):
        sock.close()
        raise
    sock.setblocking(False)
    return sock, file


def _clear(path: str) -> None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise BindError('the file exists and is not a socket')
    if _is_live(path):
        raise BindError('already in use by another process')
    Path(path).unlink(missing_ok=True)


def _is_live(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Against a full backlog a blocking connect would wait for ever.
        probe.setblocking(False)
        code = probe.connect_ex(path)
    if code == errno.EACCES:
        raise BindError('the file exists and its permissions do not let us see whether it is in use')
    # EAGAIN: a full backlog. EPROTOTYPE: a datagram socket. Somebody is there.
    return code not in {errno.ECONNREFUSED, errno.ENOENT}


@contextlib.contextmanager
def _directory_locked(path: str) -> Iterator[None]:
    # A lock on the directory leaves no file behind. Where it cannot be had (not readable, gone, NFS) we go on without.
    import fcntl

    try:
        directory = os.open(str(Path(path).parent), os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


@contextlib.contextmanager
def _file_mode(permissions: int | None) -> Iterator[None]:
    # By umask, not chmod: at no moment may others connect who must not. The supervisor has no second thread to disturb.
    if permissions is None:
        yield
        return
    before = os.umask(0o777 & ~permissions)
    try:
        yield
    finally:
        os.umask(before)
