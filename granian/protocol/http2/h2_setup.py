"""What the h2 package is told: our limits, and what it shall leave to our rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings
from hpack import NeverIndexedHeaderTuple

from granian.protocol.hpack.decoder import TABLE_BYTES_DEFAULT
from granian.protocol.http2 import rules
from granian.protocol.http2.frames import NO_RFC7540_PRIORITIES
from granian.protocol.limits import HTTP2_WINDOW_BYTES_LEAST
from granian.protocol.responses import SECRET_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from h2.connection import AllowedStreamIDs
    from h2.stream import H2Stream
    from hpack.struct import Header

    from granian.protocol.contract import Fields
    from granian.protocol.limits import Http2Limits


class _Uncounted(H2Connection):
    """h2 ends the connection over one stream too many (RFC 9113 5.1.2), or a length that is none (8.1.1): here it is the stream's end."""

    def _begin_new_stream(self, stream_id: int, allowed_ids: AllowedStreamIDs) -> H2Stream:
        stream = super()._begin_new_stream(stream_id, allowed_ids)
        stream._initialize_content_length = _nothing  # type: ignore[method-assign]
        return stream

    @property
    def open_inbound_streams(self) -> int:
        _ = super().open_inbound_streams  # forgets those that are closed
        return 0


def _nothing(headers: Iterable[Header]) -> None:
    """Lengths are looked at by `rules`, and counted by the receiver."""


def connection(limits: Http2Limits) -> H2Connection:
    made = _Uncounted(
        H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    made.local_settings = _settings(limits, limits.stream_window_bytes)
    made.max_inbound_frame_size = limits.frame_bytes_max
    # Far over the limit, a block is not even decoded.
    made.decoder.max_header_list_size = rules.excess_bytes(limits)
    return made


def await_acknowledgement(connection: H2Connection, limits: Http2Limits) -> None:
    """Our settings were sent. RFC 9113 6.9.3: until the client knows of a smaller window, it may use the usual one."""
    if limits.stream_window_bytes < HTTP2_WINDOW_BYTES_LEAST:
        connection.local_settings = _settings(limits, HTTP2_WINDOW_BYTES_LEAST)
        connection.local_settings.initial_window_size = limits.stream_window_bytes


def _settings(limits: Http2Limits, window_bytes: int) -> Settings:
    return Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: limits.streams_max,
            SettingCodes.INITIAL_WINDOW_SIZE: window_bytes,
            SettingCodes.MAX_FRAME_SIZE: limits.frame_bytes_max,
            SettingCodes.MAX_HEADER_LIST_SIZE: limits.head_bytes_max,
            SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
            cast('SettingCodes', NO_RFC7540_PRIORITIES): 1,
        },
    )


def bound_table(connection: H2Connection) -> None:
    """Use no larger table than usual, whatever the client allows: it is our memory."""
    encoder = connection.encoder
    encoder.header_table_size = min(encoder.header_table_size, TABLE_BYTES_DEFAULT)
    encoder.table_size_changes = [min(size, TABLE_BYTES_DEFAULT) for size in encoder.table_size_changes]
    # A size that is set again makes hpack forget that the client has not been told of it yet.
    encoder.header_table.resized = bool(encoder.table_size_changes)


def with_secrets(fields: Fields) -> Fields:
    """RFC 7541 7.1.3: secrets are never put into a table."""
    return [NeverIndexedHeaderTuple(*field) if field[0] in SECRET_FIELDS else field for field in fields]
