"""An application that a test lets end, request by request."""

from __future__ import annotations

import asyncio

from tests.helpers.serving import answer, asyncio_timeout


class Doorman:
    """Lets requests end one by one, and knows how many there were at once."""

    def __init__(self):
        self.order = []
        self.busy = self.busy_max = 0
        self._tickets = asyncio.Queue()

    async def __call__(self, scope, receive, send):
        self.order.append(scope['path'])
        self.busy += 1
        self.busy_max = max(self.busy_max, self.busy)
        await self._tickets.get()
        self.busy -= 1
        await answer(send, scope['path'].encode())

    def let_end(self, count=1):
        for _ in range(count):
            self._tickets.put_nowait(None)

    async def until_begun(self, count):
        async with asyncio_timeout(5):
            while len(self.order) < count:
                await asyncio.sleep(0)
