"""The server as a whole, as a section of the document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from granian.config.sections.section import COUNT_MAX, SIZE_MAX, WAIT_MAX_S, Section
from granian.config.types.checks import check_field_value
from granian.config.types.fields import (
    CHOICE,
    AnyPath,
    DirectoryPath,
    Duration,
    FilePaths,
    Flag,
    Mode,
    Size,
    Switch,
    Text,
    Whole,
    checked_text,
)

MIB = 1024 * 1024


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
    unsent_max: Annotated[
        Size,
        Field(
            ge=MIB,
            le=SIZE_MAX,
            description='Bytes of responses that one worker holds for clients that do not take them. Over it: connections with '
            'more than their share of it begin no other request, and those that would need longer than `timeouts.write` for '
            'what they hold are cut.',
            examples=['1GiB'],
        ),
    ] = 256 * MIB
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
    control: Annotated[
        AnyPath | None,
        Field(
            description='The Unix socket on which `granian reload` and `granian status` reach the server; only its user may '
            'open it. Without it: beside the pid file, else in the runtime directory of the user, named after the '
            'configuration.',
            examples=['/run/granian/control.sock'],
        ),
        Flag('--control', 'Unix socket on which `granian reload` reaches the server'),
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
    preload: Annotated[
        Switch,
        Field(
            description='Import the applications once, before workers are forked, which then share the memory. A reload '
            'goes on with the code that was imported; an upgrade (USR2, `granian upgrade`) imports it anew. Not for '
            'applications that start threads or open connections when they are imported.',
            examples=[True],
        ),
        Flag('--preload', 'Import the applications once, before workers are forked'),
    ] = False
    respawn_interval: Annotated[
        Duration,
        Field(
            le=WAIT_MAX_S,
            description='At a planned replacement: how long at least the new worker and the old one are there together. The '
            'old one never leaves before the new one accepts. A reload does not wait for this.',
            examples=['1s'],
        ),
        Flag('--respawn-interval', 'Time that a new worker and the one it replaces are there together, at least'),
    ] = 3.5
    workers_lifetime: Annotated[
        Duration | None,
        Field(
            ge=60,
            le=WAIT_MAX_S,
            description='Replace workers of this age. When one is due, those at 95 % of it are replaced with it, one by one.',
            examples=['6h'],
        ),
        Flag('--workers-lifetime', 'Replace workers of this age'),
    ] = None
    workers_lifetime_jitter: Annotated[
        Duration,
        Field(
            le=WAIT_MAX_S,
            description='Up to so much, by chance, is added to the lifetime of each worker.',
            examples=['10m'],
        ),
    ] = 0.0
    workers_max_requests: Annotated[
        Whole | None,
        Field(ge=1, le=COUNT_MAX, description='Replace a worker after so many requests.', examples=[100000]),
        Flag('--workers-max-requests', 'Replace a worker after so many requests'),
    ] = None
    workers_max_requests_jitter: Annotated[
        Whole,
        Field(
            ge=0,
            le=COUNT_MAX,
            description='Up to so many, by chance, are added to the requests of each worker.',
            examples=[10000],
        ),
        Flag('--workers-max-requests-jitter', 'Add up to so many requests, by chance, for each worker'),
    ] = 0
    workers_max_rss: Annotated[
        Size | None,
        Field(
            ge=MIB,
            le=SIZE_MAX,
            description='Replace a worker that holds so much memory (resident set). Flag and flat variable: bare numbers are '
            'MiB. Linux only.',
            examples=['512MiB'],
        ),
        Flag('--workers-max-rss', 'Replace a worker that holds so much memory, in MiB', mebibytes=True),
    ] = None
    rss_sample_interval: Annotated[
        Duration,
        Field(ge=1, le=300, description='How often the memory of the workers is looked at.', examples=['10s']),
        Flag('--rss-sample-interval', 'How often the memory of the workers is looked at'),
    ] = 30.0
    rss_samples: Annotated[
        Whole,
        Field(
            ge=1,
            le=COUNT_MAX,
            description='A worker is replaced when it was over `workers_max_rss` so many times in a row.',
            examples=[3],
        ),
        Flag('--rss-samples', 'Replace a worker that is over the limit so many times in a row'),
    ] = 1
    workers_stall_timeout: Annotated[
        Duration | None,
        Field(
            ge=1,
            le=WAIT_MAX_S,
            description='A worker whose event loop has not turned for so long is replaced, and what its threads are doing is '
            'logged. Without it: nobody looks.',
            examples=['30s'],
        ),
        Flag('--workers-stall-timeout', 'Replace a worker whose event loop has not turned for so long'),
    ] = None
    workers_start_timeout: Annotated[
        Duration,
        Field(
            ge=1,
            le=WAIT_MAX_S,
            description='How long the new workers of a reload, a replacement or an upgrade may take until they accept; then '
            'they are given up, and what was before goes on. The first start may take as long as it likes: nothing else '
            'serves meanwhile.',
            examples=['90s'],
        ),
    ] = 300.0
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
