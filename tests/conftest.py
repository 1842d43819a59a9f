"""What holds for every test: a busy machine is no fault of what Hypothesis tests, and no test leaves its logging to the next."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from granian.observe.logs import access_logger, logger

settings.register_profile('tests', deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile('tests')


@pytest.fixture(autouse=True)
def _logging_is_put_back():
    kept = [(each, each.level, each.handlers[:], each.propagate) for each in (logger, access_logger)]
    yield
    for each, level, handlers, propagate in kept:
        each.setLevel(level)
        each.handlers[:] = handlers
        each.propagate = propagate
