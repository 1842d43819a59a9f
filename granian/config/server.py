"""The server as a whole, as a section of the document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from granian.config.checks import check_field_value
from granian.config.section import COUNT_MAX, WAIT_MAX_S, Section
from granian.config.types import (
    CHOICE,
    AnyPath,
    DirectoryPath,
    Duration,
    FilePaths,
    Flag,
    Mode,
    Switch,
    Text,
    Whole,
    checked_text,
)


class Server(Section):
    """The server as a whole: processes, loop, stopping."""

    workers: Annotated[
        Whole,
        Field(ge=1, le=1024, description='Worker processes.', examples=[4]),
        Flag('--workers', 'Worker processes'),
    ] = 1
    loop: Annotated[
        Literal['auto', 'asyncio', 'uvloop', 'rloop', 'winloop'],
        CHOICE,
        Field(
            description='The event loop. `auto` takes the fastest that is installed; what was taken is logged.',
            examples=['uvloop'],
        ),
        Flag('--loop', 'Event loop'),
    ] = 'auto'
    task_impl: Annotated[
        Literal['asyncio', 'rust'],
        CHOICE,
        Field(
            description='Kept from upstream. `rust` has no meaning in Python: it is served as `asyncio`, with a warning.',
            examples=['asyncio'],
        ),
        Flag('--task-impl', 'Task implementation (rust: served as asyncio, with a warning)'),
    ] = 'asyncio'
    backpressure: Annotated[
        Whole | None,
        Field(
            ge=1,
            le=COUNT_MAX,
            description='Requests in progress at once in one worker; more wait unread in their sockets. '
            "Without it: the first listener's backlog divided by the workers.",
            examples=[512],
        ),
        Flag('--backpressure', 'Requests in progress at once per worker'),
    ] = None
    graceful_timeout: Annotated[
        Duration,
        Field(
            le=WAIT_MAX_S,
            description='Time that requests in progress have to finish after a stop was asked for; then they are cut.',
            examples=['10s'],
        ),
    ] = 30.0
    workers_kill_timeout: Annotated[
        Duration | None,
        Field(
            ge=1,
            le=1800,
            description='Time after which a worker that does not end is killed. Without it: `graceful_timeout` and 5 s '
            'more. Upstream waits for ever.',
            examples=['1m'],
        ),
        Flag('--workers-kill-timeout', 'Kill a worker that has not ended after this time'),
    ] = None
    working_dir: Annotated[
        DirectoryPath | None,
        Field(description='A directory put first on the import path. No process changes into it.', examples=['src']),
        Flag('--working-dir', 'Directory put first on the import path'),
    ] = None
    env_files: Annotated[
        FilePaths,
        Field(
            description='Files of NAME=value lines. GRANIAN_ names configure; all of it reaches the application. '
            'A variable that is already set wins, and so does an earlier file.',
            examples=[['.env']],
        ),
        Flag('--env-files', 'File of NAME=value lines; may be repeated'),
    ] = ()
    process_name: Annotated[
        Text | None,
        Field(
            min_length=1,
            description='Title of the processes in `ps`. Needs the extra `granian[pname]`.',
            examples=['shop'],
        ),
        Flag('--process-name', 'Title of the processes (needs granian[pname])'),
    ] = None
    pid_file: Annotated[
        AnyPath | None,
        Field(
            description="Where the supervisor's process id is written; removed at the end.",
            examples=['/run/granian.pid'],
        ),
        Flag('--pid-file', "Write the supervisor's process id here"),
    ] = None
    user: Annotated[
        Text | None,
        Field(
            min_length=1,
            description='The user that workers become, by name or number, once everything is bound. Needs a start as root. '
            'The supervisor stays what it was: it binds and reads again at a reload.',
            examples=['www-data'],
        ),
    ] = None
    group: Annotated[
        Text | None,
        Field(
            min_length=1,
            description="The group that workers become, by name or number. Without it: the user's own.",
            examples=['www-data'],
        ),
    ] = None
    umask: Annotated[
        Mode | None,
        Field(
            description='The bits that files of the server and of its applications are made without, in octal. Without it: '
            'as the server was started.',
            examples=['0o027'],
        ),
    ] = None
    server_header: Annotated[
        Text,
        checked_text(check_field_value),
        Field(
            description='The field `Server` of responses whose application gives none. Empty: no such field.',
            examples=['shop'],
        ),
    ] = 'granian'
    date_header: Annotated[
        Switch,
        Field(
            description='Add the field `Date` to responses whose application gives none, as RFC 9110 wants it; a proxy in '
            'front that does so is a reason to leave it out.',
            examples=[False],
        ),
    ] = True
    respawn_failed_workers: Annotated[
        Switch,
        Field(
            description='Replace a worker that died. Without it one death ends the server with status 1.',
            examples=[True],
        ),
        Flag('--respawn-failed-workers', 'Replace a worker that died'),
    ] = False
    runtime_threads: Annotated[
        Whole,
        Field(
            ge=1,
            le=COUNT_MAX,
            description='Kept from upstream; no meaning in Python. Other values give a warning.',
            examples=[1],
        ),
        Flag('--runtime-threads', 'Kept from upstream; gives a warning'),
    ] = 1
    runtime_blocking_threads: Annotated[
        Whole | None,
        Field(
            ge=1,
            le=COUNT_MAX,
            description='Kept from upstream; no meaning in Python. A value gives a warning.',
            examples=[512],
        ),
        Flag('--runtime-blocking-threads', 'Kept from upstream; gives a warning'),
    ] = None
    runtime_mode: Annotated[
        Literal['auto', 'mt', 'st'],
        CHOICE,
        Field(description='Kept from upstream; no meaning in Python. Other values give a warning.', examples=['auto']),
        Flag('--runtime-mode', 'Kept from upstream; gives a warning'),
    ] = 'auto'
