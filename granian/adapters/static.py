"""A folder of files over HTTP: GET and HEAD, conditional and range requests (RFC 9110)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.adapters.static_settings import CacheRule, StaticSettings

if TYPE_CHECKING:
    from granian.exchange import Exchange

__all__ = ['CacheRule', 'StaticFiles', 'StaticSettings']


class StaticFiles:
    """One folder. Looked at anew for every request: what is put there is served at once."""

    def __init__(self, settings: StaticSettings) -> None:
        self.settings = settings

    async def handle(self, exchange: Exchange, path: str) -> bool:
        """Answer; True. Where the settings say `fall_through` and there is no such file: False, and nothing was sent.

        `path`: decoded, what follows the mount's prefix: '' for the mount itself without a slash, else '/…'. Raises nothing.
        """
        raise NotImplementedError
