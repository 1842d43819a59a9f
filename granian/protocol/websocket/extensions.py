"""What a client offers by Sec-WebSocket-Extensions, and the terms of permessage-deflate (RFC 6455 9, RFC 7692)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from granian.protocol.requests import TOKEN, is_token
from granian.protocol.websocket.contract import DeflateTerms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from granian.protocol.limits import DeflateSettings

# A name and its parameters, in order, repeats kept; None: without a value.
Parameters = list[tuple[bytes, 'bytes | None']]
Extension = tuple[bytes, Parameters]

DEFLATE = b'permessage-deflate'
WINDOW_BITS_MAX = 15

_name = re.compile(rb'[ \t]*(%b)' % TOKEN).match
_parameter = re.compile(rb'[ \t]*;[ \t]*(%b)(?:[ \t]*=[ \t]*(?:(%b)|"((?:[^"\\]|\\.)*)"))?' % (TOKEN, TOKEN)).match
_end = re.compile(rb'[ \t]*(?:,[ \t,]*|$)').match
_escaped = re.compile(rb'\\(.)')
# RFC 7692 7.1.2.1: no leading zero.
_is_window_bits = re.compile(rb'[89]|1[0-5]').fullmatch


def parse_extensions(value: bytes) -> list[Extension]:
    """The extensions of a field's value. Raises ValueError."""
    found: list[Extension] = []
    at = len(value) - len(value.lstrip(b' \t,'))
    while at < len(value):
        name = _name(value, at)
        if name is None:
            raise ValueError('no name of an extension')
        at = name.end()
        parameters: Parameters = []
        while parameter := _parameter(value, at):
            parameters.append((parameter[1].lower(), _parameter_value(parameter)))
            at = parameter.end()
        found.append((name[1].lower(), parameters))
        end = _end(value, at)
        if end is None:
            raise ValueError('no end of an extension')
        at = end.end()
    return found


def _parameter_value(parameter: re.Match[bytes]) -> bytes | None:
    quoted: bytes | None = parameter[3]
    if quoted is None:
        return parameter[2]
    plain = _escaped.sub(rb'\1', quoted)
    if not is_token(plain):
        # RFC 6455 9.1
        raise ValueError('a quoted value that is no token')
    return plain


def deflate_terms(offered: list[Extension], settings: DeflateSettings | None) -> DeflateTerms | None:
    """The terms for the first offer that can be met; None where there is none."""
    if settings is None:
        return None
    return next(_met(offered, settings), None)


def _met(offered: list[Extension], settings: DeflateSettings) -> Iterator[DeflateTerms]:
    for name, parameters in offered:
        offer = dict(parameters)
        # RFC 7692 7: a parameter given twice has the offer declined.
        if name == DEFLATE and len(offer) == len(parameters):
            terms = _terms(offer, settings)
            if terms is not None:
                yield terms


def _terms(offer: dict[bytes, bytes | None], settings: DeflateSettings) -> DeflateTerms | None:
    """What one offer comes to; None where it has a fault or asks for what is not done (RFC 7692 7.1)."""
    if not all(_is_valid(name, value) for name, value in offer.items()):
        return None
    server_bits = min(int(offer.get(b'server_max_window_bits') or WINDOW_BITS_MAX), settings.server_window_bits)
    if server_bits == 8:
        # zlib does no raw deflate with a window of 256 bytes.
        return None
    client_bits = WINDOW_BITS_MAX
    if b'client_max_window_bits' in offer:
        client_bits = min(int(offer[b'client_max_window_bits'] or WINDOW_BITS_MAX), settings.client_window_bits)
    server_takeover = settings.server_takeover and b'server_no_context_takeover' not in offer
    client_takeover = settings.client_takeover and b'client_no_context_takeover' not in offer
    reply = DEFLATE
    if not server_takeover:
        reply += b'; server_no_context_takeover'
    if not client_takeover:
        reply += b'; client_no_context_takeover'
    if server_bits < WINDOW_BITS_MAX or b'server_max_window_bits' in offer:
        reply += b'; server_max_window_bits=%d' % server_bits
    if client_bits < WINDOW_BITS_MAX:
        # RFC 7692 7.1.2.2: only a client that offered it can be told.
        reply += b'; client_max_window_bits=%d' % client_bits
    return DeflateTerms(server_bits, server_takeover, client_bits, client_takeover, reply)


def _is_valid(name: bytes, value: bytes | None) -> bool:
    if name in (b'server_no_context_takeover', b'client_no_context_takeover'):
        return value is None
    if name == b'client_max_window_bits' and value is None:
        return True
    if name in (b'server_max_window_bits', b'client_max_window_bits'):
        return value is not None and bool(_is_window_bits(value))
    return False
