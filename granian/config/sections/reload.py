"""Reloading by itself when files change, as a section of the document: for development."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from granian.config.sections.section import Section
from granian.config.types.fields import Duration, Flag, Kind, Switch, checked, path_of, text_of
from granian.config.types.values import show

_PATHS_SCHEMA = {'type': 'array', 'items': {'type': 'string', 'minLength': 1}}
_TEXTS_SCHEMA = {'type': 'array', 'items': {'type': 'string', 'minLength': 1}}


def _existing(value: object) -> Path:
    path = path_of(value)
    if not path.exists():
        raise ValueError(f'{show(value)}: no such file or directory')
    return path


def _directory_name(value: object) -> str:
    text = text_of(value)
    if not text or '/' in text or '\\' in text:
        raise ValueError(f'{show(value)} is not the name of a directory; whole paths go to ignore_paths')
    return text


def _pattern(value: object) -> str:
    text = text_of(value)
    try:
        re.compile(text)
    except re.error as exc:
        raise ValueError(f'{show(value)} is not a regular expression: {exc}') from None
    return text


def _paths(paths: Any) -> list[str]:
    return [str(path) for path in paths]


Paths = Annotated[
    tuple[Annotated[Path, BeforeValidator(checked(_existing))], ...],
    Kind('list of paths that are there', 'PATH', _PATHS_SCHEMA, _paths, split='paths'),
]
IgnoredPaths = Annotated[
    tuple[Annotated[Path, BeforeValidator(checked(path_of))], ...],
    Kind('list of paths', 'PATH', _PATHS_SCHEMA, _paths, split='paths'),
]
Names = Annotated[
    tuple[Annotated[str, BeforeValidator(checked(_directory_name))], ...],
    Kind('list of names', 'NAME', _TEXTS_SCHEMA, list, split='words'),
]
Patterns = Annotated[
    tuple[Annotated[str, BeforeValidator(checked(_pattern))], ...],
    Kind('list of regular expressions', 'REGEX', _TEXTS_SCHEMA, list, split='words'),
]


class Reload(Section):
    """Reload by itself when files change: for development."""

    enabled: Annotated[
        Switch,
        Field(
            description='Watch files and reload when one changes. The files of the configuration and the env files are '
            'always among them.',
            examples=[True],
        ),
        Flag('--reload', 'Reload when files change'),
    ] = False
    paths: Annotated[
        Paths,
        Field(
            description='Files, and directories with all below them, that are watched. Without any: the working directory.',
            examples=[['src', 'templates']],
        ),
        Flag('--reload-paths', 'Path to watch, in place of the working directory; may be repeated'),
    ] = ()
    ignore_dirs: Annotated[
        Names,
        Field(
            description='Names of directories whose contents are not looked at, besides `.git`, `__pycache__`, `.venv`, '
            '`node_modules` and the like.',
            examples=[['uploads']],
        ),
        Flag('--reload-ignore-dirs', 'Name of directories that are not watched; may be repeated'),
    ] = ()
    ignore_patterns: Annotated[
        Patterns,
        Field(
            description='Regular expressions: a file is not looked at if one is found in its name, besides those of '
            'compiled Python and of editors.',
            examples=[[r'\.log$']],
        ),
        Flag('--reload-ignore-patterns', 'Regular expression for names of files that do not count; may be repeated'),
    ] = ()
    ignore_paths: Annotated[
        IgnoredPaths,
        Field(
            description='Paths that are not looked at, nor what is below them.',
            examples=[['/srv/shop/uploads']],
        ),
        Flag('--reload-ignore-paths', 'Path that does not count, nor what is below; may be repeated'),
    ] = ()
    tick: Annotated[
        Duration,
        Field(
            ge=0.05,
            le=5,
            description='How long no further file may change before the reload begins. Flag and flat variable: bare '
            'numbers are milliseconds.',
            examples=['200ms'],
        ),
        Flag('--reload-tick', 'Quiet time before a reload begins, in milliseconds', milliseconds=True),
    ] = 0.05
    ignore_worker_failure: Annotated[
        Switch,
        Field(
            description='Go on when an application fails to start, at first or after a change: the error is shown, and the '
            'next change tried. Without it the server ends with status 1.',
            examples=[True],
        ),
        Flag('--reload-ignore-worker-failure', 'Wait for the next change when an application fails to start'),
    ] = False
