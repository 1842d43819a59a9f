from __future__ import annotations

import pytest

from granian.protocol import requests, responses
from granian.protocol.hpack import encoder as hpack_encoder
from tests.helpers.engines import HTTP1_ENGINES

MEMORIES = (requests._hosts, responses._remembered, hpack_encoder._literals)


def forget():
    for memory in MEMORIES:
        memory.recent.clear()
        memory._older.clear()


@pytest.fixture
def cold():
    """Memories without a thing in them; call it to empty them again."""
    forget()
    yield forget
    forget()


@pytest.fixture
def remembered():
    """All that the memories hold: keys and values, as one text."""
    return lambda: repr([(memory.recent, memory._older) for memory in MEMORIES])


@pytest.fixture(params=list(HTTP1_ENGINES))
def engine(request):
    return HTTP1_ENGINES[request.param]
