"""Numbers for Prometheus, as a section of the document."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from granian.config.sections.section import Section
from granian.config.types.bind import Bind
from granian.config.types.fields import Address, Duration, Flag, Switch


class Metrics(Section):
    """Numbers for Prometheus, on an address of their own."""

    enabled: Annotated[
        Switch,
        Field(
            description='Serve numbers of the server and its workers, in the text format of Prometheus, from a process of '
            'their own. Left out with `reload.enabled`.',
            examples=[True],
        ),
        Flag('--metrics', 'Serve numbers for Prometheus', variable='GRANIAN_METRICS_ENABLED'),
    ] = False
    bind: Annotated[
        Address,
        Field(
            description='Where they are served, on every path: written as `listeners[].bind` is. Without TLS, and nobody is '
            'asked who he is: keep it on an address that only those who may know reach.',
            examples=['unix:/run/granian-metrics.sock'],
        ),
        Flag('--metrics-address', 'Address to serve them on', part='host'),
        Flag('--metrics-port', 'Port to serve them on; 0: the kernel picks one', part='port'),
    ] = Bind('tcp', host='127.0.0.1', port=9090)
    scrape_interval: Annotated[
        Duration,
        Field(
            ge=1,
            le=60,
            description='How often each worker puts out its numbers: a scrape finds them no older than this.',
            examples=['5s'],
        ),
        Flag('--metrics-scrape-interval', 'How often each worker puts out its numbers'),
    ] = 15.0
