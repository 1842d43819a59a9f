from __future__ import annotations

import pytest

from tests.helpers.engines import HTTP1_ENGINES


@pytest.fixture(params=list(HTTP1_ENGINES))
def engine(request):
    """Each HTTP/1 engine in turn: what one of them must do, all must."""
    return HTTP1_ENGINES[request.param]
