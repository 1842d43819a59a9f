"""HTTP/2 on the h2 package, the reference engine: what the application's calls become (RFC 9113). Policy is `http2.rules`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hyperframe.exceptions import HyperframeError

from granian.errors import FlowError, InvalidResponse
from granian.protocol.contract import Refusal
from granian.protocol.http2 import rules
from granian.protocol.http2.frames import STREAM_LARGEST
from granian.protocol.http2.h2_receiver import H2Receiver
from granian.protocol.http2.h2_setup import await_acknowledgement, with_secrets
from granian.protocol.http2.streams import ALL, NOTHING, REST
from granian.protocol.responses import whole_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from granian.protocol.contract import Field, RequestHead
    from granian.protocol.http2.h2_core import H2Stream
    from granian.protocol.responses import ResponseHead


class Http2H2(H2Receiver):
    """One HTTP/2 connection. See `contract.MultiplexedEngine`."""

    @property
    def phase(self) -> str:
        if self._gate.in_head:
            return 'head'
        if any(not stream.whole for stream in self._streams.values()):
            return 'body'
        return 'busy' if self.streams_open else 'idle'

    @property
    def partial(self) -> bool:
        return self._gate.in_head

    @property
    def sendable(self) -> bool:
        return self._sending.sendable

    @property
    def stalled(self) -> bool:
        return self._sending.waiting > 0 and not self._sending.sendable

    @property
    def waiting(self) -> int:
        return self._sending.waiting

    @property
    def full(self) -> bool:
        return self._sending.full

    @property
    def progress(self) -> int:
        return self._sending.progress

    # ── responses ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def respond(self, stream: int, response: ResponseHead, body: bytes) -> None:
        known = self._known(stream, ALL, 'response already started')
        to_head = known.head.method == 'HEAD'
        length = whole_length(response, body, to_head=to_head)
        ended = to_head or response.bodiless or not body
        self._patience.answered()
        self._send_head(stream, response, length, ended=ended)
        if ended:
            self._answered(stream, known)
            return
        known.owed = NOTHING
        self._sending.write(stream, body)
        self._sending.finish(stream)

    def start(self, stream: int, response: ResponseHead) -> None:
        known = self._known(stream, ALL, 'response already started')
        known.silent = response.bodiless or known.head.method == 'HEAD'
        known.left = None if known.silent else response.length
        self._patience.answered()
        self._send_head(stream, response, response.length, ended=False)
        known.owed = REST

    def write(self, stream: int, data: bytes) -> None:
        known = self._known(stream, REST, 'response not started or already finished')
        if known.silent or not data:
            return
        if known.left is not None:
            if len(data) > known.left:
                self.abort(stream)
                raise InvalidResponse('body longer than its content-length')
            known.left -= len(data)
        self._sending.write(stream, data)

    def skip(self, stream: int, count: int) -> bool:
        self._known(stream, REST, 'response not started or already finished')
        return False

    def finish(self, stream: int, trailers: Iterable[Field] = ()) -> None:
        known = self._known(stream, REST, 'response not started or already finished')
        if known.left:
            self.abort(stream)
            raise InvalidResponse(f'body shorter than its content-length by {known.left} bytes')
        fields = rules.response_trailers(trailers)
        known.owed = NOTHING
        if self._sending.finish(stream, fields):
            self._collect()
            self._answered(stream, known)

    def inform(self, stream: int, status: int, fields: Sequence[Field] = ()) -> None:
        self._known(stream, ALL, 'response already started')
        self._h2.send_headers(stream, rules.response_interim_fields(status, fields))
        self._collect()

    def upgrade(self, stream: int, response: ResponseHead) -> None:
        known = self._known(stream, ALL, 'response already started')
        if not known.head.upgrade or known.head.method != 'CONNECT':
            raise FlowError('no extended CONNECT')
        known.upgraded = True
        known.owed = REST
        self._patience.answered()
        self._h2.send_headers(stream, with_secrets(rules.upgraded_fields(response, self.defaults)))
        self._collect()

    def abort(self, stream: int) -> None:
        known = self._streams.get(stream)
        if known is not None and (known.owed is not NOTHING or not self._sending.is_done(stream)):
            self._reset(stream, ErrorCodes.CANCEL if known.owed is NOTHING else ErrorCodes.INTERNAL_ERROR)
            self._streams.pop(stream)
            self._acknowledge(stream, known.unread)
            self._settle_one()

    def _known(self, number: int, part: str, reason: str) -> H2Stream:
        stream = self._streams.get(number)
        if stream is None or stream.owed is not part:
            raise FlowError(reason)
        return stream

    # ── the connection ────────────────────────────────────────────────────────────────────────────────────────────────

    def produce(self, count: int) -> bool:
        before = self._sending.progress
        ended, roomy = self._sending.produce(count)
        self._patience.moved(self._sending.progress - before)
        self._collect()
        for number in ended:
            self._answered(number, self._streams[number])
        for number in roomy:
            self.events.on_room(number)
        return self._sending.waiting > 0

    def is_blocked(self, stream: int) -> bool:
        return self._sending.is_blocked(stream)

    def flow(self, stream: int) -> tuple[int, int]:
        return self._sending.flow(stream)

    def ping(self) -> None:
        self._begin_connection()
        self.pings_owed += 1
        self._h2.ping(b'granian\0')
        self._collect()

    def take_over(self, head: RequestHead, settings: bytes) -> None:
        if len(settings) % 6:
            raise Refusal(400, 'bad HTTP2-Settings')
        try:
            self._h2.initiate_upgrade_connection(base64.urlsafe_b64encode(settings))
        except (ProtocolError, HyperframeError) as error:
            raise Refusal(400, 'bad HTTP2-Settings') from error
        await_acknowledgement(self._h2, self.limits)
        self._begun = True
        self._widen()
        self._last = 1
        self._begin(1, head, ended=True)

    def refuse(self, status: int, reason: str) -> None:
        refusal = Refusal(status, reason)
        for number, stream in tuple(self._streams.items()):
            if not stream.whole and stream.owed is not NOTHING:
                self._spoil(number, stream, refusal)
        if self._gate.in_head:
            self.events.on_refused(refusal, rules.request_line([]))
        self.drain()

    def farewell(self) -> None:
        self._goodbye(STREAM_LARGEST, ErrorCodes.NO_ERROR)

    def drain(self) -> None:
        if not self._draining:
            self._draining = True
            self._goodbye(self._last, ErrorCodes.NO_ERROR)
        self.closing = self.closing or not self.streams_open
