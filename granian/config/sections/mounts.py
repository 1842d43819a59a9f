"""The sections of the document that answer requests: applications, folders, rules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from granian.config.sections.section import EXPIRES_MAX_S, SIZE_MAX, WAIT_MAX_S, Section
from granian.config.sections.websocket import MountWebSocket
from granian.config.types.fields import (
    CHOICE,
    DirectoryPath,
    Duration,
    Flag,
    Size,
    Switch,
    Target,
    Text,
    Whole,
    name_of,
)
from granian.config.types.web import (
    CacheRules,
    Charset,
    Codings,
    FileName,
    FilePathBelow,
    Headers,
    Hosts,
    MediaTypes,
    MountPath,
    Redirection,
    RootPath,
)

PATH_SAYS = (
    'It holds this path and all below it, in whole segments; of several mounts the longest wins. Compared with the '
    "request's path decoded and without dot segments."
)
HOSTS_SAYS = (
    'Only for these hosts: names, or `*.name` for all that end in `.name`. An exact name comes before a suffix, a long '
    'suffix before a short one, a mount without hosts last.'
)
HEADERS_SAYS = 'Fields added to every response that does not have them already.'

Path = Annotated[MountPath, Field(description=PATH_SAYS, examples=['/api'])]
OnHosts = Annotated[Hosts, Field(description=HOSTS_SAYS, examples=[['shop.example', '*.shop.example']])]
ExtraHeaders = Annotated[Headers, Field(description=HEADERS_SAYS, examples=[{'x-frame-options': 'DENY'}])]


class MountLimits(Section):
    """Bounds of this application, in place of those in [limits]."""

    body: Annotated[
        Size | None,
        Field(
            le=SIZE_MAX, description='Body of one request. Over it: 413. Without it: `limits.body`.', examples=['1GiB']
        ),
    ] = None


class MountTimeouts(Section):
    """Times of this application, in place of those in [timeouts]."""

    body_read: Annotated[
        Duration | None,
        Field(
            gt=0,
            le=WAIT_MAX_S,
            description='Between two pieces of a request body. Over it: 408. Without it: `timeouts.body_read`.',
            examples=['5m'],
        ),
    ] = None
    write: Annotated[
        Duration | None,
        Field(
            gt=0,
            le=WAIT_MAX_S,
            description='For a client that does not read its response. Over it: it is cut. Without it: `timeouts.write`.',
            examples=['5m'],
        ),
    ] = None


class App(Section):
    """One application, where it is and how it is called."""

    target: Annotated[
        Target,
        Field(
            description='`module:attribute`, or `path/to/file.py:attribute`; the attribute is `app` if left out.',
            examples=['shop.api:app'],
        ),
        Flag('APP', 'module:attribute or path/to/file.py:attribute'),
    ]
    name: Annotated[
        Text,
        Field(
            min_length=1,
            default_factory=lambda fields: name_of(fields.get('target', '')),
            description='What logs call it. Without it: the last part of the module, or the name of the file; '
            'with a number where another application has that already.',
            examples=['api'],
        ),
    ]
    interface: Annotated[
        Literal['asgi', 'asginl', 'rsgi', 'wsgi'],
        CHOICE,
        Field(description='How the application is called. `asginl`: ASGI without lifespan.', examples=['asgi']),
        Flag('--interface', 'How the application is called'),
    ] = 'rsgi'
    path: Path = '/'
    hosts: OnHosts = ()
    lifespan: Annotated[
        Literal['auto', 'on', 'off'],
        CHOICE,
        Field(
            description='ASGI start and stop events. `auto`: an application that does not know them is served without; '
            '`on`: that is an error.',
            examples=['on'],
        ),
    ] = 'auto'
    factory: Annotated[
        Switch,
        Field(description='The target is a function that returns the application.', examples=[True]),
        Flag('--factory', 'The target is a function that returns the application'),
    ] = False
    root_path: Annotated[
        RootPath,
        Field(
            description="What is appended to the mount's own `path`: with path = '/shop' and root_path = '/v1', ASGI's "
            "`root_path` and WSGI's `SCRIPT_NAME` are '/shop/v1'. ASGI's `path` stays whole; PATH_INFO is without it, and "
            'what does not begin with it is not found. Not for RSGI.',
            examples=['/api'],
        ),
        Flag(
            '--url-path-prefix',
            "Path that is appended to the mount's own: both are root_path (ASGI), SCRIPT_NAME (WSGI)",
        ),
    ] = ''
    strip_prefix: Annotated[
        Switch,
        Field(
            description="RSGI has no root path: its application sees the whole path, or, with this, what follows the mount's own.",
            examples=[True],
        ),
    ] = False
    blocking_threads: Annotated[
        Whole | None,
        Field(
            ge=1,
            le=65536,
            description='Threads for an application that blocks (WSGI). Without it: half of `server.backpressure`. '
            'ASGI and RSGI run on 1.',
            examples=[1],
        ),
        Flag('--blocking-threads', 'Threads for an application that blocks'),
    ] = None
    blocking_threads_idle_timeout: Annotated[
        Duration,
        Field(
            ge=5,
            le=600,
            description='Time without work after which a thread ends, but for the last.',
            examples=['1m'],
        ),
        Flag('--blocking-threads-idle-timeout', 'Time without work after which a thread ends'),
    ] = 30.0
    websockets: Annotated[
        Switch | None,
        Field(
            description='Give this application WebSockets (ASGI and RSGI). Without it: as `websocket.enabled`.',
            examples=[False],
        ),
    ] = None
    headers: ExtraHeaders = ()
    debug: Annotated[
        Switch,
        Field(description='Offer the ASGI extension `http.response.debug` to the application.', examples=[True]),
    ] = False
    limits: Annotated[
        MountLimits, Field(description='Bounds of this application, in place of those in `[limits]`.')
    ] = MountLimits()
    websocket: Annotated[
        MountWebSocket,
        Field(description='WebSocket sessions of this application, in place of what `[websocket]` says.'),
    ] = MountWebSocket()
    timeouts: Annotated[
        MountTimeouts, Field(description='Times of this application, in place of those in `[timeouts]`.')
    ] = MountTimeouts()


def with_own_names(apps: tuple[App, ...]) -> tuple[App, ...]:
    """Numbers after names that nobody gave and that another application has."""
    taken = {app.name for app in apps if 'name' in app.model_fields_set}
    made = []
    for app in apps:
        name, number = app.name, 1
        while 'name' not in app.model_fields_set and name in taken:
            number += 1
            name = f'{app.name}-{number}'
        taken.add(name)
        made.append(app if name == app.name else app.model_copy(update={'name': name}))
    return tuple(made)


class Static(Section):
    """One folder of files."""

    directory: Annotated[
        DirectoryPath,
        Field(description='The folder. Nothing outside of it is ever served.', examples=['.']),
        Flag('--static-path-mount', 'Folder of files to serve; may be repeated', each=True, split='paths'),
    ]
    path: Annotated[
        MountPath,
        Field(description=PATH_SAYS, examples=['/assets']),
        Flag('--static-path-route', 'Path of that folder; as many as folders', each=True, split='words'),
    ] = '/static'
    hosts: OnHosts = ()
    index: Annotated[
        FileName | None,
        Field(
            description='The file that answers for a folder. Without it a folder is not found.',
            examples=['index.html'],
        ),
        Flag('--static-path-dir-to-file', 'File that answers for a folder', every=True),
    ] = None
    index_redirect: Annotated[
        Switch,
        Field(
            description="The path of a folder without its closing slash is redirected to the one with it, so that the page's "
            'relative links work. Else, and with `--static-path-dir-to-file`, `index` answers for both.',
            examples=[False],
        ),
    ] = True
    fallback: Annotated[
        FilePathBelow | None,
        Field(
            description='The file, below the folder, that answers for all that is not found: single-page applications.',
            examples=['index.html'],
        ),
    ] = None
    expires: Annotated[
        Duration,
        Field(
            le=EXPIRES_MAX_S,
            description='How long clients may keep a file (`cache-control: max-age`) where no rule of `cache` says '
            'otherwise. 0: it is not said.',
            examples=['1h'],
        ),
        Flag('--static-path-expires', 'How long clients may keep a file', every=True),
    ] = 86400.0
    cache: Annotated[
        CacheRules,
        Field(
            description='Cache-Control by file: pattern = policy; the first that matches decides. A pattern without a slash is '
            'held against the name, one with a slash against the path below the folder, `**` over any number of '
            'segments. `immutable` is short for a public year that is never asked about again.',
            examples=[{'*.html': 'no-cache', 'assets/**': 'immutable'}],
        ),
    ] = ()
    precompressed: Annotated[
        Codings,
        Field(
            description='Serve `file.br`, `file.zst`, `file.gz` for `file` to who accepts that, the most wanted first.',
            examples=[['br', 'zstd', 'gzip']],
        ),
    ] = ()
    dotfiles: Annotated[
        Literal['allow', 'deny'],
        CHOICE,
        Field(
            description='`deny`: what begins with a dot is not found, `.well-known` excepted.',
            examples=['deny'],
        ),
    ] = 'allow'
    symlinks: Annotated[
        Literal['inside', 'any', 'none'],
        CHOICE,
        Field(
            description='Symbolic links below the folder. `inside`: followed where they stay inside of it.',
            examples=['none'],
        ),
    ] = 'inside'
    fall_through: Annotated[
        Switch,
        Field(
            description='What is not found goes to the next mount that holds the path.',
            examples=[True],
        ),
    ] = False
    charset: Annotated[
        Charset,
        Field(description='Stated with the media types that are text. Empty: it is not said.', examples=['utf-8']),
    ] = 'utf-8'
    media_types: Annotated[
        MediaTypes,
        Field(
            description='Media types by file extension, before those known.', examples=[{'glb': 'model/gltf-binary'}]
        ),
    ] = ()
    headers: ExtraHeaders = ()


class Rule(Section):
    """A redirect, or a fixed answer."""

    path: Path = '/'
    hosts: OnHosts = ()
    redirect: Annotated[
        Redirection | None,
        Field(
            description='Where to: `https://…`, or a path of this server.',
            examples=['https://www.example.org'],
        ),
    ] = None
    status: Annotated[
        Literal['301', '302', '303', '307', '308'],
        CHOICE,
        Field(
            description='Status of the redirect. Clients remember 301 and 308 for good; 307 and 308 keep the method.',
            examples=['308'],
        ),
    ] = '307'
    keep_path: Annotated[
        Switch,
        Field(description="Append what the path has beyond this rule's own.", examples=[False]),
    ] = True
    keep_query: Annotated[Switch, Field(description='Append the query.', examples=[False])] = True
    return_: Annotated[
        Whole | None,
        Field(
            alias='return',
            ge=200,
            le=599,
            description='In place of a redirect: answer with this status.',
            examples=[404],
        ),
    ] = None
    body: Annotated[
        Text,
        Field(description='Text that goes with `return`.', examples=['Back at nine.']),
    ] = ''
    headers: ExtraHeaders = ()
