"""What is measured, as data: the one table that a later issue adds its rows to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

# The bounds of the issue that is being built; docs/reference/benchmarks.md has the final ones beside them.
RUST = 'rust'
ONE_MOUNT = 'ours-1-mount'
FLOOR = 'floor'


@dataclass(frozen=True, slots=True)
class Bound:
    """Ratios ours ÷ peer's that the median of the pairs must keep; None: not judged."""

    cpu_max: float | None = None
    rps_min: float | None = None
    pss_max: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a request, how it is driven, and what must hold against whom."""

    name: str
    path: str = '/10b'
    method: str = 'GET'
    body_bytes: int = 0
    answer_bytes: int = 10
    head: str = 'bare'  # bare | browser | unique, see heads.py
    driver: str = (
        'wrk'  # wrk | h2load | idle | clear | full | resumed | ws-echo | ws-broadcast | ws-idle, see drivers.py
    )
    interface: str = 'asgi'  # a server that does not know it has no such row
    connections: int = 0  # 0: as the command says
    streams: int = 1  # requests in progress at once on a connection (h2load)
    options: str = ''  # more for the command of ours and the Rust server
    tls: str = ''  # over TLS, with a key of this kind (see certificates.py)
    message_bytes: int = 0  # of a WebSocket message
    in_flight: int = 1  # messages of a session on their way
    bounds: dict[str, Bound] = field(default_factory=dict)  # peer name → bound; these are the peers by default


HTTP1 = Bound(cpu_max=0.85)
FILE = Bound(cpu_max=0.9)
WSGI = Bound(cpu_max=1.1)
WAITS = Bound(rps_min=0.95)
HTTP2 = Bound(cpu_max=0.75)
WORST = Bound(cpu_max=1.2)
TLS = Bound(cpu_max=1.0)
HANDSHAKE = Bound(cpu_max=1.0)
CONNECT = Bound(cpu_max=1.0)
LOOK_UP = Bound(cpu_max=1.05)
MEMORY = Bound(pss_max=1.0)
# 199 places beside the application's.
MANY_MOUNTS = '--set rules=[' + ','.join(f'{{path="/mount{number}/a",return=404}}' for number in range(199)) + ']'
FOLDER = '--static-path-route /static --static-path-mount .peers/files'
OVER_FLOOR = Bound(cpu_max=3.0)
HEADS = ('bare', 'browser')
SIZES = (('10b', 10), ('1k', 1024), ('10k', 10 * 1024), ('100k', 100 * 1024))
FILE_SIZES = (('50k', 50 * 1024), ('1m', 1024 * 1024))


def _get(interface: str, name: str, size_bytes: int, head: str) -> Row:
    bounds = {RUST: HTTP1}
    if (interface, name, head) == ('asgi', '10b', 'bare'):
        bounds[FLOOR] = OVER_FLOOR
    return Row(
        f'{interface}-get-{name}-{head}',
        f'/{name}',
        answer_bytes=size_bytes,
        head=head,
        interface=interface,
        bounds=bounds,
    )


def _echo(interface: str, name: str, size_bytes: int, head: str) -> Row:
    return Row(
        f'{interface}-echo-{name}-{head}',
        '/echo',
        'POST',
        size_bytes,
        size_bytes,
        head=head,
        interface=interface,
        bounds={RUST: HTTP1},
    )


def _gets_and_echoes(interface: str) -> tuple[Row, ...]:
    return (
        *(_get(interface, name, size, head) for head in HEADS for name, size in SIZES),
        *(_echo(interface, name, size, head) for head in HEADS for name, size in SIZES[1:]),
    )


def _more_of_rsgi(head: str) -> tuple[Row, ...]:
    stream, file = 100 * 1024, 50 * 1024
    return (
        Row(
            f'rsgi-stream-100k-{head}',
            '/stream/100k',
            answer_bytes=stream,
            head=head,
            interface='rsgi',
            bounds={RUST: HTTP1},
        ),
        Row(f'rsgi-file-50k-{head}', '/file/50k', answer_bytes=file, head=head, interface='rsgi', bounds={RUST: FILE}),
    )


def _files(name: str, size_bytes: int, head: str) -> tuple[Row, ...]:
    """From a folder, and for an application that names the path."""
    file = Row(f'static-{name}-{head}', f'/static/{name}', answer_bytes=size_bytes, head=head, bounds={RUST: FILE})
    return (
        replace(file, options=FOLDER),
        replace(file, name=f'asgi-pathsend-{name}-{head}', path=f'/path/{name}'),
    )


def _of_wsgi(name: str, options: str) -> tuple[Row, ...]:
    """With the default number of threads, or with another."""
    like_rsgi = _gets_and_echoes('rsgi')
    return tuple(
        replace(
            row,
            name=row.name.replace('rsgi', name),
            interface='wsgi',
            options=options,
            bounds={RUST: WSGI},
        )
        for row in like_rsgi
    )


def _over_tls() -> tuple[Row, ...]:
    gets = (_get('asgi', name, size, head) for head in HEADS for name, size in SIZES)
    return (
        *(replace(row, name=f'tls-{row.name}', tls='ec', bounds={RUST: TLS}) for row in gets),
        *(
            Row(f'tls-handshake-{driver}-{key}', driver=driver, tls=key, bounds={RUST: HANDSHAKE})
            for driver, key in (('full', 'ec'), ('full', 'rsa'), ('resumed', 'ec'))
        ),
    )


def _over_http2(interface: str, head: str, tls: str) -> tuple[Row, ...]:
    """With 1, 10 and 100 requests in progress on each of a few connections."""
    plain = (
        *(_get(interface, name, size, head) for name, size in SIZES[:3]),
        *(_echo(interface, name, size, head) for name, size in SIZES[:3]),
    )
    return tuple(
        replace(
            row,
            name=f'{"tls-" if tls else ""}h2-{streams}-{row.name}',
            driver='h2load',
            connections=16,
            streams=streams,
            # Both kinds are served: the harness asks in HTTP/1 whether the server is there. It costs once a connection.
            options='--http auto',
            tls=tls,
            bounds={RUST: HTTP2},
        )
        for streams in (1, 10, 100)
        for row in plain
    )


WEBSOCKET = Bound(cpu_max=0.85)
WEBSOCKET_MEMORY = Bound(pss_max=1.0)
MESSAGE_SIZES = (('64b', 64), ('1k', 1024), ('16k', 16 * 1024))


def _websockets(interface: str) -> tuple[Row, ...]:
    """Echo of each size, one message and many on their way; broadcasts; and the memory of sessions that rest."""
    echo = Row('', driver='ws-echo', interface=interface, options='--ws', connections=32, bounds={RUST: WEBSOCKET})
    return (
        *(
            replace(echo, name=f'ws-{interface}-echo-{name}-{in_flight}', message_bytes=size, in_flight=in_flight)
            for name, size in MESSAGE_SIZES
            for in_flight in (1, 16)
        ),
        *(
            replace(
                echo,
                name=f'ws-{interface}-broadcast-{count}',
                driver='ws-broadcast',
                message_bytes=64,
                connections=count,
            )
            for count in (8, 16, 32)
        ),
        replace(
            echo,
            name=f'ws-{interface}-idle-10000',
            driver='ws-idle',
            connections=10_000,
            bounds={RUST: WEBSOCKET_MEMORY},
        ),
    )


ROWS: tuple[Row, ...] = (
    *_gets_and_echoes('asgi'),
    Row('asgi-get-10b-unique', head='unique', bounds={RUST: WORST}),
    Row('asgi-echo-1k-unique', '/echo', 'POST', 1024, 1024, head='unique', bounds={RUST: WORST}),
    Row('asgi-get-10b-200-mounts', options=MANY_MOUNTS, bounds={ONE_MOUNT: LOOK_UP}),
    Row('asgi-connect-10b', driver='clear', bounds={RUST: CONNECT}),
    Row('asgi-idle-1-worker', driver='idle', bounds={RUST: MEMORY}),
    Row('asgi-idle-4-workers', driver='idle', options='--workers 4', bounds={RUST: MEMORY}),
    *_gets_and_echoes('rsgi'),
    *(row for head in HEADS for row in _more_of_rsgi(head)),
    *(row for head in HEADS for name, size in FILE_SIZES for row in _files(name, size, head)),
    *_of_wsgi('wsgi', ''),
    *_of_wsgi('wsgi-1-thread', '--blocking-threads 1'),
    *_over_tls(),
    *_websockets('asgi'),
    *_websockets('rsgi'),
    *(
        row
        for tls in ('', 'ec')
        for interface in ('asgi', 'rsgi')
        for head in HEADS
        for row in _over_http2(interface, head, tls)
    ),
    # Most of the time its threads wait: run it with `--connections 512`.
    Row('wsgi-wait-10b-bare', '/wait/10b', interface='wsgi', bounds={RUST: WAITS}),
)
