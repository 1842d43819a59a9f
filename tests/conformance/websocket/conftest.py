from __future__ import annotations

import pytest

from tests.helpers.websocket_engines import WEBSOCKET_ENGINES


@pytest.fixture(params=list(WEBSOCKET_ENGINES))
def engine(request):
    """Each WebSocket engine in turn: what one of them must do, all must."""
    return WEBSOCKET_ENGINES[request.param]
