"""Request heads as templates in which COUNTER stands where a number that never comes twice is put."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rows import Row

COUNTER = '\0'
COUNTER_DIGITS = 10
CRLF = '\r\n'

# What a browser sends behind a proxy that adds a request id; only that field and the query differ between requests. The
# cookie stays the same although a server may not remember it across connections: that is the usual case.
_BROWSER = (
    ('user-agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36'),
    ('accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8'),
    ('accept-language', 'en-GB,en;q=0.9,de;q=0.7'),
    ('accept-encoding', 'gzip, deflate, br, zstd'),
    ('referer', 'https://www.example.com/shop/index.html'),
    ('cookie', 'session=5f2b8c1e9a7d43e6b0c4a1f8; theme=dark'),
    ('sec-ch-ua', '"Chromium";v="126", "Not/A)Brand";v="8"'),
    ('sec-ch-ua-mobile', '?0'),
    ('sec-ch-ua-platform', '"Linux"'),
    ('sec-fetch-site', 'same-origin'),
    ('sec-fetch-mode', 'navigate'),
    ('sec-fetch-dest', 'document'),
    ('upgrade-insecure-requests', '1'),
    ('cache-control', 'max-age=0'),
    ('x-request-id', f'7d1c-{COUNTER}'),
)


def _bare(row: Row, host: str) -> tuple[str, list[tuple[str, str]]]:
    return row.path, [('Host', host)]


def _browser(row: Row, host: str) -> tuple[str, list[tuple[str, str]]]:
    return f'{row.path}?page={COUNTER}', [('Host', host), *_BROWSER]


def _unique(row: Row, _host: str) -> tuple[str, list[tuple[str, str]]]:
    fields = [(f'x-{index:02d}-{COUNTER}', f'value {COUNTER} of {index}') for index in range(15)]
    return f'{row.path}?page={COUNTER}', [('Host', f'h{COUNTER}.example.com'), *fields]


KINDS: dict[str, Callable[[Row, str], tuple[str, list[tuple[str, str]]]]] = {
    'bare': _bare,
    'browser': _browser,
    'unique': _unique,
}


def template(row: Row, host: str) -> str:
    """The head of `row` with its empty line; a body adds its Content-Length field to those of the kind."""
    target, fields = KINDS[row.head](row, host)
    if row.body_bytes:
        fields = [*fields, ('Content-Length', str(row.body_bytes))]
    lines = [f'{row.method} {target} HTTP/1.1', *(f'{name}: {value}' for name, value in fields)]
    return CRLF.join(lines) + CRLF * 2
