"""What an engine may be told: bounds, as plain frozen values. Defaults live in `config/model.py`, not here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Http1Limits:
    """Bounds on one HTTP/1 connection. Sizes in bytes; None means no bound."""

    # Over this: 431, then close. Request line, fields and their line ends together. Apache allows 8 KiB a line.
    head_bytes_max: int
    # Over this: 414, then close. RFC 9112 3: at least 8000 are recommended.
    target_bytes_max: int
    # Over this: 431, then close. Also the bound on trailer fields.
    fields_max: int
    # Over this: 413, then close.
    body_bytes_max: int | None
    # Body and pipelined bytes held for the application before reading from the socket stops.
    read_ahead_bytes_max: int
    # What is left of a body nobody read is thrown away up to this, so that the connection can be kept; over it: close.
    discard_bytes_max: int
    keep_alive: bool
    # RFC 9112 3.2 wants exactly one Host on HTTP/1.1. False: none is accepted too (never two).
    require_host: bool
