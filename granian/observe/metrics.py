"""What is counted, and how it is told: upstream's names in the text format of Prometheus (0.0.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

CONTENT_TYPE = b'text/plain; version=0.0.4; charset=utf-8'


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Literal['counter', 'gauge']
    help: str


# Of the server as a whole, by their places on the board.
SPAWNS, FOR_ERR, FOR_LIFETIME, FOR_RSS, FOR_REQUESTS = range(5)
OWN = (
    Metric('granian_workers_spawns', 'counter', 'Worker processes that were started.'),
    Metric(
        'granian_workers_respawns_for_err', 'counter', 'Workers replaced because they died, were ended, or stalled.'
    ),
    Metric('granian_workers_respawns_for_lifetime', 'counter', 'Workers replaced for their age.'),
    Metric('granian_workers_respawns_for_rss', 'counter', 'Workers replaced for their memory.'),
    Metric('granian_workers_respawns_for_requests', 'counter', 'Workers replaced for the requests they had served.'),
)
# Of each worker, in the order in which it writes them.
OF_WORKER = (
    Metric('granian_worker_lifetime', 'counter', 'Seconds since the worker began to serve.'),
    Metric('granian_connections_active', 'gauge', 'Connections that are open.'),
    Metric('granian_connections_handled', 'counter', 'Connections that were accepted.'),
    Metric('granian_connections_err', 'counter', 'Connections that broke, were cut, or never got through their handshake.'),
    Metric('granian_requests_active', 'gauge', 'Requests in progress.'),
    Metric('granian_requests_handled', 'counter', 'Requests that came to their end, those for static files among them.'),
    Metric('granian_static_requests_handled', 'counter', 'Requests answered from folders.'),
    Metric('granian_static_requests_err', 'counter', 'Requests that folders answered with 4xx or 5xx.'),
    Metric('granian_websockets_active', 'gauge', 'WebSocket sessions that are open.'),
    Metric('granian_tls_handshakes_err', 'counter', 'TLS handshakes that failed.'),
    Metric('granian_blocking_threads', 'gauge', 'Threads of WSGI applications.'),
    Metric('granian_blocking_queue', 'gauge', 'Requests that wait for such a thread.'),
    Metric('granian_blocking_idle_cumulative', 'counter', 'Microseconds in which such threads had nothing to do, all together.'),
    Metric('granian_blocking_busy_cumulative', 'counter', 'Microseconds in which they were at requests, all together.'),
    Metric('granian_py_wait_cumulative', 'counter', 'Microseconds by which the event loop came too late to its own clock.'),
)  # fmt: skip


def exposition(own: Sequence[int], workers: Iterable[tuple[int, Sequence[int]]]) -> bytes:
    """All of it. `workers`: by slot, what each wrote."""
    return ''.join(_lines(own, list(workers))).encode()


def _lines(own: Sequence[int], workers: Sequence[tuple[int, Sequence[int]]]) -> Iterator[str]:
    for metric, value in zip(OWN, own, strict=False):
        yield f'{_head(metric)}{metric.name} {value}\n'
    for place, metric in enumerate(OF_WORKER):
        if workers:
            yield _head(metric)
        for slot, values in workers:
            yield f'{metric.name}{{worker="{slot + 1}"}} {values[place]}\n'


def _head(metric: Metric) -> str:
    return f'# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n'
