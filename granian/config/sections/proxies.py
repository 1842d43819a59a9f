"""The keys of a listener that speak of proxies in front of it."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import BeforeValidator, Field

from granian.config.types.fields import Kind, Switch, checked, text_of
from granian.config.types.values import show
from granian.protocol.proxies.forwarded import FORWARDED, X_FORWARDED
from granian.protocol.proxies.trusted import EVERYBODY, UNIX, network_of

FIELDS = (*X_FORWARDED, FORWARDED)
USUAL_FIELDS = X_FORWARDED


def _peer(value: object) -> str:
    text = text_of(value)
    if text not in {EVERYBODY, UNIX}:
        try:
            network_of(text)
        except ValueError:
            raise ValueError(
                f"{show(value)} is no peer; write an address, a network like '10.0.0.0/8', 'unix', or '*' for everybody"
            ) from None
    return text


def _field(value: object) -> str:
    text = text_of(value).lower()
    if text not in FIELDS:
        near = difflib.get_close_matches(text, FIELDS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ''
        raise ValueError(f'{show(value)} is not one of: {", ".join(FIELDS)}{hint}')
    return text


TrustedProxies = Annotated[
    tuple[Annotated[str, BeforeValidator(checked(_peer))], ...],
    Kind('list of peers', 'PEER', {'type': 'array', 'items': {'type': 'string', 'minLength': 1}}, list, split='words'),
    Field(
        description='Proxies whose word counts: addresses, networks, `unix` for the peers of a Unix socket, `*` for '
        'everybody. What they say in `forwarded_fields` of a request takes the place of what the connection tells: '
        'client, scheme, host, path prefix. Of others it is ignored.',
        examples=[['10.0.0.0/8', '::1']],
    ),
]
ForwardedFields = Annotated[
    tuple[Annotated[str, BeforeValidator(checked(_field))], ...],
    Kind('list of field names', 'NAME', {'type': 'array', 'items': {'enum': list(FIELDS)}}, list, split='words'),
    Field(
        description='The fields that the trusted proxies set, or remove, in every request: some that begin with '
        '`x-forwarded-`, or `forwarded` (RFC 7239) alone. One that a proxy passes on as it came is the word of any client.',
        examples=[['forwarded']],
    ),
]
ProxyProtocol = Annotated[
    Switch,
    Field(
        description='Each connection begins with a header of the PROXY protocol, version 1 or 2, before TLS: it says '
        'who the client is. Connections without one, and those of peers that are not `trusted_proxies`, are closed.',
        examples=[True],
    ),
]
