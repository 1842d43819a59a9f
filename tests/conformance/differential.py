"""The same input to two engines: what they make of it must be the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.protocol.responses import response_head
from tests.helpers.engines import HTTP1_ENGINES, Conversation

if TYPE_CHECKING:
    from tests.conformance.strategies import Input
    from tests.helpers.engines import Response, Seen

CORPUS = Path(__file__).parent / 'corpus'


def read_corpus() -> list[tuple[str, bytes]]:
    """(class, bytes) of each string in the corpus: `# class` lines, and one string a line in Python's escapes."""
    strings = []
    for path in sorted(CORPUS.glob('*.txt')):
        kind = path.stem
        for line in path.read_text('ascii').splitlines():
            if line.startswith('#'):
                kind = line[1:].strip()
            elif line:
                strings.append((kind, line.encode().decode('unicode_escape').encode('latin-1')))
    return strings


def reply_whole(talk: Conversation, seen: Seen) -> None:
    talk.engine.respond(seen.stream, response_head(200, [(b'x-path', seen.raw_path)]), b'<%b>' % seen.body)


def reply_in_chunks(talk: Conversation, seen: Seen) -> None:
    # h11 closes after HEAD of HTTP/1.0 without a length: docs/explanation/http1-decisions.md.
    fields = [(b'content-length', b'4')] if (seen.method, seen.version) == ('HEAD', '1.0') else []
    talk.engine.start(seen.stream, response_head(200, fields))
    talk.engine.write(seen.stream, b'ab')
    talk.engine.write(seen.stream, b'cd')
    talk.engine.finish(seen.stream, [(b'x-sum', b'1')])


def reply_with_length(talk: Conversation, seen: Seen) -> None:
    talk.engine.start(seen.stream, response_head(203, [(b'content-length', b'4'), (b'connection', b'x')]))
    talk.engine.write(seen.stream, b'ab')
    talk.engine.write(seen.stream, b'cd')
    talk.engine.finish(seen.stream)


REPLIES = {
    'whole': reply_whole,
    'chunks': reply_in_chunks,
    'length': reply_with_length,
    'early': reply_whole,
    'continue': reply_whole,
}


class FuzzedConversation(Conversation):
    """An application that may reply before the body is whole."""

    def __init__(self, engine: Any, data: Input) -> None:
        self.mode = data.replies
        super().__init__(engine, data.limits, reply=REPLIES[data.replies], at_once=data.at_once)

    def _reply_if_whole(self, seen: Seen) -> None:
        if self.mode == 'continue' and seen.expects_continue and not seen.gone and not seen.whole and not seen.informed:
            seen.informed = True
            self.engine.inform(seen.stream, 100)
        if self.mode == 'early' and not seen.replied and not seen.gone and not self.engine.closing:
            seen.replied = True
            self.engine.took(seen.stream, len(seen.body))
            self.reply(self, seen)
        else:
            super()._reply_if_whole(seen)


def result(engine: Any, data: Input) -> dict[str, Any]:
    """What one engine makes of the input, with what may differ taken out."""
    talk = FuzzedConversation(engine, data)
    talk.feed(*data.pieces)
    before_the_end = (talk.engine.phase, talk.engine.paused, talk.engine.pending)
    if data.ends and not talk.engine.closing:
        talk.eof()
    return {
        'requests': [(seen.summary(), seen.whole, (seen.gone, seen.answered), seen.replied) for seen in talk.requests],
        'refused': [(refusal.status, refusal.reason, line) for refusal, line in talk.recorder.refusals],
        'responses': [plain(response) for response in talk.responses],
        'state': before_the_end,
        'ends': (talk.engine.closing, talk.engine.broken),
    }


def plain(response: Response) -> tuple[Any, ...]:
    """A response without the order of its fields, and without the coding h11 names where no body follows."""
    fields = [f for f in response.fields if f[0] != b'transfer-encoding' or response.framing == 'chunked']
    fields = sorted((name, b'' if name == b'transfer-encoding' else value) for name, value in fields)
    interim = [(status, sorted(fields)) for status, fields in response.interim]
    return response.status, fields, response.framing, response.body, sorted(response.trailers), interim, response.whole


def disagreement(data: Input) -> str | None:
    """What the engines disagree about, or None."""
    results = {name: result(engine, data) for name, engine in HTTP1_ENGINES.items()}
    (name, first), *others = results.items()
    for other_name, other in others:
        for key, value in first.items():
            if other[key] != value:
                return f'{key}\n  {name}: {value!r}\n  {other_name}: {other[key]!r}'
    return None
