"""`module:attr.sub` or `path/to/file.py:attr` → the application. Runs inside a worker, never in the supervisor."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.errors import AppLoadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

# The first colon that no drive letter explains.
_BORDER = re.compile(r':(?![\\/])')
DEFAULT_ATTRIBUTE = 'app'


def load(target: str, *, factory: bool = False, working_dir: str | None = None) -> Any:
    """The application of a target. Raises AppLoadError; where the application's code failed, that is its cause."""
    module_part, *attribute = _BORDER.split(target, maxsplit=1)
    name = _prepare_path(module_part, working_dir)
    found = _attribute(_import(name), attribute[0] if attribute else DEFAULT_ATTRIBUTE)
    if factory:
        found = _call_factory(target, found)
    if not callable(found) and not hasattr(found, '__rsgi__'):
        raise AppLoadError(f'{target!r} is not an application: {type(found).__name__!r} object is not callable.')
    return found


def _prepare_path(module_part: str, working_dir: str | None) -> str:
    """Make the module importable and return its dotted name."""
    if module_part.endswith('.py') or '/' in module_part or os.sep in module_part:
        root, name = _package_root(Path(module_part))
        _put_first(str(root))
        return name
    _put_first(str(Path.cwd()), keep=True)
    if working_dir is not None:
        _put_first(working_dir)
    return module_part


def _put_first(entry: str, *, keep: bool = False) -> None:
    if keep and (entry in sys.path or '' in sys.path):
        return
    if sys.path[:1] != [entry]:
        sys.path.insert(0, entry)


def _package_root(path: Path) -> tuple[Path, str]:
    path = path.resolve()
    if path.suffix == '.py':
        path = path.with_suffix('')
    if path.name == '__init__':
        path = path.parent
    names = [path.name]
    while (path.parent / '__init__.py').exists():
        path = path.parent
        names.insert(0, path.name)
    return path.parent, '.'.join(names)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        # Only the module itself or a package it is in: anything else is an import inside of it that failed.
        if exc.name is not None and (name == exc.name or name.startswith(exc.name + '.')):
            raise AppLoadError(f'Could not import {name!r}.') from None
        raise _failed(f'While importing {name!r}', exc) from exc
    except (Exception, SystemExit) as exc:
        raise _failed(f'While importing {name!r}', exc) from exc


def _failed(when: str, exc: BaseException) -> AppLoadError:
    kind = 'ImportError' if isinstance(exc, ImportError) else type(exc).__name__
    return AppLoadError(f'{when}, {"an" if kind[0] in "AEIOU" else "a"} {kind} was raised: {exc}')


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    name = ''
    try:
        for name in path.split('.'):
            found = getattr(found, name)
    except AttributeError:
        from difflib import get_close_matches

        near = get_close_matches(name, dir(found), n=1)
        hint = f' Did you mean {near[0]!r}?' if near else ''
        raise AppLoadError(f'{module.__name__!r} has no attribute {path!r}.{hint}') from None
    return found


def _call_factory(target: str, factory: Callable[[], Any]) -> Any:
    if not callable(factory):
        raise AppLoadError(f'{target!r} is not a factory: {type(factory).__name__!r} object is not callable.')
    try:
        return factory()
    except (Exception, SystemExit) as exc:
        raise _failed(f'While calling the factory {target!r}', exc) from exc


def application_traceback(error: BaseException) -> str:
    """The traceback of what failed inside the application, from its own first line on; '' if nothing did."""
    cause = error.__cause__
    if cause is None:
        return ''
    tb = cause.__traceback__
    while tb is not None and _is_machinery(tb):
        tb = tb.tb_next
    return ''.join(traceback.format_exception(type(cause), cause, tb)).rstrip('\n')


def _is_machinery(tb: TracebackType) -> bool:
    file = tb.tb_frame.f_code.co_filename
    return file in {__file__, importlib.__file__} or file.startswith('<frozen importlib')
