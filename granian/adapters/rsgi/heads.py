"""Response heads as RSGI applications give them: a status and pairs of str."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from granian.adapters.rsgi.types import RSGIProtocolError
from granian.errors import InvalidResponse
from granian.protocol.memory import Memory
from granian.protocol.responses import SECRET_FIELDS, ResponseHead, response_head

if TYPE_CHECKING:
    from collections.abc import Iterable

    TextFields = Iterable[tuple[str, str]]

logger = logging.getLogger('_granian')

STATUS_MAX = 0xFFFF

heads: Memory[ResponseHead] = Memory(entries_max=512, key_bytes_max=2048)
_recent_head = heads.recent.get


def text_head(status: int, headers: TextFields) -> ResponseHead:
    """The checked head for what an application gave, remembered where it may be. Raises RSGIProtocolError."""
    check_status(status)
    if not 0 <= status <= STATUS_MAX:
        raise OverflowError('status does not fit in 16 bits')
    pairs = [_pair(header) for header in headers]
    try:
        fields = [(name.encode('latin-1'), value.encode('latin-1')) for name, value in pairs]
        head = response_head(status, fields)
    except (InvalidResponse, UnicodeEncodeError) as exc:
        raise refused(exc) from exc
    if not any(name.lower() in SECRET_FIELDS for name, _ in fields):
        heads.keep((status, *pairs), head, sum([len(name) + len(value) for name, value in fields]))
    return head


def known_head(status: int, headers: TextFields) -> ResponseHead:
    """As `text_head`, and sooner for what was given before."""
    if type(status) is not int:
        # 200.0 and True are looked up as the numbers they are equal to.
        check_status(status)
    if type(headers) is not list:
        # Perhaps it can be read only once.
        headers = tuple(headers)
    try:
        return _recent_head((status, *headers)) or text_head(status, headers)
    except TypeError:
        # Pairs given as lists cannot be looked up.
        return text_head(status, headers)


def check_status(status: object) -> None:
    """Raises TypeError for what is no number of a status."""
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f'status must be an int, not {type(status).__name__}')


def _pair(header: Any) -> tuple[str, str]:
    if not isinstance(header, (tuple, list)) or len(header) != 2:
        raise TypeError('a header must be a pair')
    name, value = header
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError('a header must be a pair of str')
    return name, value


def refused(reason: Exception) -> RSGIProtocolError:
    log_refusal(reason)
    return RSGIProtocolError()


def log_refusal(reason: Exception) -> None:
    logger.error('Application response refused: %s', reason)
