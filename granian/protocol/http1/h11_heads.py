"""Request heads by the h11 package, held against the rules all engines share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

from granian.protocol.contract import Fields, Refusal, RequestHead
from granian.protocol.http1.strict import check_lines
from granian.protocol.requests import (
    LINE_BYTES_MORE,
    SPECIAL_NAMES,
    head_too_large,
    plain_field,
    request_head,
    split_request_line,
)

if TYPE_CHECKING:
    from granian.protocol.limits import Http1Limits


def parse_head(parser: h11.Connection, block: bytes, limits: Http1Limits) -> RequestHead:
    """The head of a whole block, as h11 understands it. Raises Refusal."""
    lines = block[:-4].split(b'\r\n')
    _check_size(block, lines, limits)
    specials = [line for line in lines[1:] if line.partition(b':')[0].lower() in SPECIAL_NAMES]
    try:
        check_lines(block)
        # h11 insists on Host, whatever our limits say.
        if limits.require_host or any(line[:5].lower() == b'host:' for line in specials):
            request = _parse(parser, block)
            fields = list(request.headers)
        else:
            request = _parse(parser, block[:-2] + b'host:\r\n\r\n')
            fields = list(request.headers)[:-1]
    except Refusal:
        # Status and reason are those of the shared rules, where these refuse the head too.
        plain = _plain_fields(lines[1:])
        request_head(split_request_line(lines[0]), plain, _plain_fields(specials), limits)
        raise
    request_line = (request.method, request.target, b'HTTP/' + request.http_version)
    # h11 folds lists and repeats of Content-Length into one: the rules must see them as they were sent.
    return request_head(request_line, fields, _plain_fields(specials), limits)


def _check_size(block: bytes, lines: list[bytes], limits: Http1Limits) -> None:
    if len(block) > limits.head_bytes_max:
        raise head_too_large(block, limits)
    if len(lines[0]) > limits.target_bytes_max + LINE_BYTES_MORE:
        raise Refusal(414, 'target too long')
    if len(lines) - 1 > limits.fields_max:
        raise Refusal(431, 'too many fields')


def _parse(parser: h11.Connection, block: bytes) -> h11.Request:
    parser.receive_data(block)
    try:
        request = parser.next_event()
    except h11.RemoteProtocolError as error:
        raise Refusal(error.error_status_hint, 'bad request head') from error
    assert isinstance(request, h11.Request)
    return request


def _plain_fields(lines: list[bytes]) -> Fields:
    return [plain_field(line) for line in lines]
