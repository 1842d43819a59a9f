"""What processes may do: a user and a group that workers take on for good, and the mode of files they make."""

from __future__ import annotations

import os
from dataclasses import dataclass

from granian.errors import ConfigurationError

try:
    import grp
    import pwd
except ImportError:  # pragma: no cover (Windows)
    HAS_USERS = False
else:
    HAS_USERS = True


class Umask:
    """That of the process."""

    def __init__(self) -> None:
        self._at_start = os.umask(0o077)
        os.umask(self._at_start)

    def set(self, bits: int | None) -> None:
        """None: as it was at the start."""
        os.umask(self._at_start if bits is None else bits)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a worker becomes. `name`: whose supplementary groups it has; '': none at all."""

    uid: int
    gid: int
    name: str


def identity(user: str | None, group: str | None) -> Identity | None:
    """The identity of a user and a group, names or numbers; None: nobody else. Raises ConfigurationError."""
    if user is None and group is None:
        return None
    if not HAS_USERS:
        raise ConfigurationError('server.user: this platform has no users to change to')
    uid, gid, name = os.geteuid(), os.getegid(), ''
    if user is not None:
        uid, primary, name = _user(user)
        gid = gid if primary is None else primary
        if primary is None and group is None:
            raise ConfigurationError(f'server.user: {user} has no name here, and so no group; give server.group too')
    if group is not None:
        gid = _group(group)
    wanted = Identity(uid, gid, name)
    if os.geteuid() != 0 and (uid, gid) != (os.geteuid(), os.getegid()):
        key = 'server.group' if user is None else 'server.user'
        raise ConfigurationError(f'{key}: only root may change to {user or group}; start as root, or leave it out')
    return wanted


def become(wanted: Identity) -> None:
    """Be that user from here on, without a way back. Raises OSError."""
    if os.geteuid() != 0:
        # `identity` has seen that this is who we are.
        return
    if wanted.name:
        os.initgroups(wanted.name, wanted.gid)
    else:
        os.setgroups([wanted.gid])
    # Groups first: who is not root any more may not change them. Of root, these set the saved ones, too.
    os.setgid(wanted.gid)
    os.setuid(wanted.uid)
    if wanted.uid != 0 and _can_return():
        raise PermissionError('the privileges of root could be taken back')


def _can_return() -> bool:
    try:
        os.setuid(0)
    except PermissionError:
        return False
    return True


def _user(text: str) -> tuple[int, int | None, str]:
    try:
        found = pwd.getpwuid(int(text)) if text.isdecimal() else pwd.getpwnam(text)
    except KeyError:
        if text.isdecimal():
            # Containers run as numbers without a name.
            return int(text), None, ''
        raise ConfigurationError(f'server.user: there is no user {text!r}') from None
    return found.pw_uid, found.pw_gid, found.pw_name


def _group(text: str) -> int:
    if text.isdecimal():
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise ConfigurationError(f'server.group: there is no group {text!r}') from None
