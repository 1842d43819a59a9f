from tests.helpers.mounted import mounted
from tests.helpers.serving import engine, loop, pytest_pyfunc_call, serve

__all__ = ['engine', 'loop', 'mounted', 'pytest_pyfunc_call', 'serve']
