"""argv → serve, reload, check and the other commands, or upstream's `granian [OPTIONS] APP`. The only print and sys.exit."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Any

from granian import __version__

__all__ = ['Duration', 'entrypoint']

# Everything else serves.
OTHER_COMMANDS = (['check'], ['config'], ['schema'], ['init'], ['reload'], ['upgrade'], ['status'])


def entrypoint() -> None:
    """Run the command line of this process and exit."""
    if sys.argv[1:] == ['--version']:
        # Without the imports of everything else: scripts ask this often.
        sys.exit(_say_version())
    from granian.process.program import fill_standard_descriptors, take_signals

    serves = sys.argv[1:2] not in OTHER_COMMANDS
    take_signals(serves=serves)
    fill_standard_descriptors()
    try:
        if serves and hasattr(os, 'fork'):
            from granian.cli.serving import serve

            sys.exit(serve(sys.argv[1:]))
        from granian.cli.commands import root

        root.main(prog_name='granian')
    finally:
        _give_up_unwritten()


def _say_version() -> int:
    try:
        print(f'granian {__version__}', flush=True)
    except OSError as exc:
        return not_written(exc)
    return 0


def not_written(exc: OSError) -> int:
    """The exit status where standard output did not take what was asked for; said, unless it is that nobody reads on."""
    if exc.errno != errno.EPIPE and sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f'granian: standard output: {exc.strerror}', file=sys.stderr, flush=True)
    _give_up_unwritten()
    return 1


def _give_up_unwritten() -> None:
    """What a full disk did not take must not become the exit status (120) of a server that stopped cleanly."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def __getattr__(name: str) -> Any:
    if name != 'Duration':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from granian.cli.flags import Duration

    return Duration
