from __future__ import annotations

import pytest

from tests.helpers.http2 import HTTP2_ENGINES


@pytest.fixture(params=list(HTTP2_ENGINES))
def engine_name(request):
    return request.param


@pytest.fixture
def engine(engine_name):
    """Each HTTP/2 engine in turn: what one of them must do, all must."""
    return HTTP2_ENGINES[engine_name]
