"""What a folder that is served is told: plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Coding = Literal['br', 'zstd', 'gzip']


@dataclass(frozen=True, slots=True)
class CacheRule:
    """Files that match `glob` get `policy` as their Cache-Control.

    `glob`: one without a slash is held against the file's name, one with a slash against its path below the folder;
    `*` and `?` stay within a segment, `**` does not, `[…]` is a set. `policy`: the value as it is sent (`no-cache`),
    or `immutable`, which is short for `public, max-age=31536000, immutable`.
    """

    glob: str
    policy: str


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """One folder."""

    # Absolute. A symlink here is followed at each request, so that a release can be switched by moving it.
    directory: str
    # Name of the file that answers for a folder; None: folders are not found.
    index: str | None = None
    # A folder's path without its closing slash is redirected to the one with it; else the index answers for both.
    index_redirect: bool = True
    # Path below the folder of the file that answers, with 200, for all that is not found (single-page applications).
    # It answers before `fall_through` would: giving both makes no sense.
    fallback: str | None = None
    # Seconds for `cache-control: max-age=…` where no rule matches; 0 or None: no such field.
    expires_s: int | None = 86400
    # The first that matches decides.
    cache_rules: tuple[CacheRule, ...] = ()
    # Sidecars that may be served in place of a file (`app.js.br`), the most wanted first; () for none.
    precompressed: tuple[Coding, ...] = ()
    # 'deny': a path with a segment that begins with a dot is not found; `.well-known` as the first is (RFC 8615).
    dotfiles: Literal['allow', 'deny'] = 'allow'
    # Symlinks below the folder. 'inside': followed where they end inside it; 'any': followed; 'none': not found.
    symlinks: Literal['inside', 'any', 'none'] = 'inside'
    # What is not found is left to somebody else: `StaticFiles.handle` returns False and has sent nothing.
    fall_through: bool = False
    # Fields (lower-case name, value) that go with every file and 304.
    headers: tuple[tuple[bytes, bytes], ...] = ()
    # Stated with types that are text; '' for none.
    charset: str = 'utf-8'
    # Extension without its dot, in lower case → media type, before the built-in ones.
    media_types: tuple[tuple[str, str], ...] = ()
