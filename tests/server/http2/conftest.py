from functools import partial

import pytest

from tests.helpers.serving import Served, loop, pytest_pyfunc_call

__all__ = ['engine', 'loop', 'pytest_pyfunc_call', 'serve']


@pytest.fixture(params=['fast', 'h2'])
def engine(request):
    """Each HTTP/2 engine in turn."""
    return request.param


@pytest.fixture
def serve(engine, loop):
    return partial(Served, loop, 'fast', http2_engine=engine)
