"""From the path of a request to an open file below one folder, and to nothing outside it.

Where the system can open relative to a folder, a path is walked: each folder on it is opened from the one before, never
through a symlink, so that nothing can be exchanged between a check and an open. A path with symlinks that may be followed
is resolved to one without, and then that is walked. Elsewhere (Windows) the resolved path is opened, and the system is asked
where the open file really is: only there was nothing exchanged in between.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    Opened = tuple[int, os.stat_result]

SEGMENTS_MAX = 256
# What a request may bring about. Anything else is a trouble of the server.
MISSING_ERRNOS = frozenset({
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM,
    errno.EINVAL, errno.ENXIO, errno.ENODEV, errno.ESTALE,
})  # fmt: skip
# What systems say of a symlink that must not be followed.
LINK_ERRNOS = frozenset({errno.ELOOP, errno.EMLINK, errno.ENOTDIR})
_FILE = os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_NOCTTY', 0) | getattr(os, 'O_BINARY', 0)
_NOFOLLOW = getattr(os, 'O_NOFOLLOW', 0)
_FOLDER = getattr(os, 'O_PATH', os.O_RDONLY) | getattr(os, 'O_DIRECTORY', 0) | _NOFOLLOW
WALKS = {os.open, os.stat} <= os.supports_dir_fd and hasattr(os, 'O_NOFOLLOW') and hasattr(os, 'O_DIRECTORY')
# PROGRA~1
_has_short_name = re.compile('~[0-9]').search
_SEPARATOR = os.fsencode(os.sep)
_WINDOWS = os.name == 'nt'
_DEVICES = frozenset({'con', 'prn', 'aux', 'nul', 'conin$', 'conout$', 'clock$'}) | {
    f'{name}{number}' for name in ('com', 'lpt') for number in '0123456789¹²³'
}


def split_path(path: str, *, windows: bool = _WINDOWS) -> list[bytes] | None:
    """The segments of a decoded path; None where no file may be called so."""
    if '\0' in path or '\\' in path or path.count('/') > SEGMENTS_MAX:
        return None
    segments = [segment for segment in path.split('/') if segment and segment != '.']
    if '..' in segments or (windows and any(map(_is_special, segments))):
        return None
    try:
        # Windows knows no names that are not Unicode.
        return [segment.encode(errors='strict' if windows else 'surrogateescape') for segment in segments]
    except UnicodeEncodeError:
        return None


def _is_special(segment: str) -> bool:
    """Whether Windows means something else by it: a drive, a stream, a device, a name with another spelling."""
    return (
        ':' in segment
        or segment[-1] in '. '
        or _has_short_name(segment) is not None
        or segment.split('.', 1)[0].rstrip().lower() in _DEVICES
    )


def is_hidden(segments: Sequence[bytes]) -> bool:
    """Whether one of them begins with a dot. RFC 8615 puts what is public under /.well-known/."""
    return any(
        segment.startswith(b'.') and (at > 0 or segment != b'.well-known') for at, segment in enumerate(segments)
    )


class Root:
    """The folder that nothing outside of is opened."""

    __slots__ = ('_directory', '_hides', '_symlinks', '_walks')

    def __init__(
        self, directory: str, symlinks: Literal['inside', 'any', 'none'], *, hides: bool, walks: bool = WALKS
    ) -> None:
        self._directory = os.fsencode(directory).rstrip(b'/') or b'/'
        self._symlinks = symlinks
        self._hides = hides
        self._walks = walks

    def open(self, segments: Sequence[bytes]) -> Opened:
        """A regular file and its facts. Raises IsADirectoryError for a folder, OSError for what there is not."""
        if self._symlinks == 'any' and not self._hides:
            return _open(b'/'.join((self._directory, *segments)), follow=True)
        if not self._walks:
            return self._open_checked(segments)
        try:
            return _walk(self._directory, segments)
        except OSError as exc:
            if self._symlinks == 'none' or exc.errno not in LINK_ERRNOS:
                raise
        return _walk(*self._resolve(segments))

    def _resolve(self, segments: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        """A folder and a path below it, both without symlinks for as long as nobody moves anything."""
        root = os.path.realpath(self._directory)
        target = os.path.realpath(b'/'.join((root, *segments)), strict=True)
        above = self._above(root, target)
        inner = [segment for segment in target[len(above.rstrip(_SEPARATOR)) :].split(_SEPARATOR) if segment]
        if self._hides and is_hidden(inner):
            raise FileNotFoundError(errno.ENOENT, 'a symlink to what is hidden')
        return above, inner

    def _above(self, root: bytes, target: bytes) -> bytes:
        """The root if the target is inside, else, where that may be, the last folder that both are below."""
        if target == root or target.startswith(root.rstrip(_SEPARATOR) + _SEPARATOR):
            return root
        if self._symlinks != 'any':
            raise FileNotFoundError(errno.ENOENT, 'a symlink that leads out')
        try:
            return os.path.commonpath((root, target))
        except ValueError:
            # Another drive.
            return os.path.splitdrive(target)[0] + _SEPARATOR

    def _open_checked(self, segments: Sequence[bytes]) -> Opened:
        root, inner = self._resolve(segments)
        if self._symlinks == 'none' and inner != list(segments):
            raise FileNotFoundError(errno.ENOENT, 'a symlink')
        path = _SEPARATOR.join((root, *inner))
        descriptor, facts = _open(path, follow=True)
        try:
            # Looking at the path once more would prove nothing: it may be exchanged between any two looks.
            if _place(descriptor) != path:
                raise FileNotFoundError(errno.ENOENT, 'moved while it was opened')
        except OSError:
            os.close(descriptor)
            raise
        return descriptor, facts


def _walk(folder: bytes, segments: Sequence[bytes]) -> Opened:
    """Open what is below `folder` without following a symlink there."""
    if len(segments) < 2:
        return _open(b'/'.join((folder, *segments)))
    at = os.open(b'%b/%b' % (folder, segments[0]), _FOLDER)
    try:
        for segment in segments[1:-1]:
            above, at = at, os.open(segment, _FOLDER, dir_fd=at)
            os.close(above)
        return _open(segments[-1], at)
    finally:
        os.close(at)


def _open(path: bytes, folder: int | None = None, *, follow: bool = False) -> Opened:
    """A regular file. What is none is not even opened: that alone may have an effect on a device or a FIFO."""
    _check(os.stat(path, dir_fd=folder, follow_symlinks=follow))
    descriptor = os.open(path, _FILE if follow else _FILE | _NOFOLLOW, dir_fd=folder)
    try:
        facts = os.fstat(descriptor)
        _check(facts)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, facts


if sys.platform == 'win32':

    def _place(descriptor: int) -> bytes:
        """Where the system says that an open file is."""
        import ctypes
        import msvcrt

        chars = 32768
        buffer = ctypes.create_unicode_buffer(chars)
        length = ctypes.windll.kernel32.GetFinalPathNameByHandleW(
            ctypes.c_void_p(msvcrt.get_osfhandle(descriptor)), buffer, chars, 0
        )
        if not 0 < length < chars:
            raise ctypes.WinError()
        path = buffer.value
        if path.startswith('\\\\?\\UNC\\'):
            path = '\\' + path[7:]
        return os.fsencode(path.removeprefix('\\\\?\\'))

else:

    def _place(descriptor: int) -> bytes:
        """Where the system says that an open file is."""
        return os.readlink(b'/proc/self/fd/%d' % descriptor)  # noqa: PTH115


def _check(facts: os.stat_result) -> None:
    mode = facts.st_mode
    if not stat.S_ISREG(mode):
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.ELOOP if stat.S_ISLNK(mode) else errno.ENXIO
        raise OSError(code, 'not a regular file')
