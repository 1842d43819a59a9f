"""Why an address cannot be bound, as a person says it."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from granian.errors import BindError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def in_words(what: str) -> Iterator[None]:
    """Every failure in here becomes a BindError of `what`."""
    try:
        yield
    except socket.gaierror as exc:
        raise BindError(f'{what}: the name cannot be resolved: {(exc.strerror or str(exc)).lower()}') from exc
    except OSError as exc:
        reason = _WORDS.get(exc.errno or 0) or (exc.strerror or str(exc)).lower()
        raise BindError(f'{what}: {reason}') from exc
    except (BindError, UnicodeError) as exc:
        raise BindError(f'{what}: {exc}') from exc


_WORDS = {
    errno.EADDRINUSE: 'already in use by another process',
    errno.EACCES: 'permission denied',
    errno.EPERM: 'permission denied',
    errno.EADDRNOTAVAIL: 'not an address of this machine',
    errno.EAFNOSUPPORT: 'this machine does not speak that kind of address',
    errno.ENOENT: 'no such directory',
    errno.EROFS: 'the file system is read-only',
}
