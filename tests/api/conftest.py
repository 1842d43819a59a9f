from tests.helpers.serving import loop, pytest_pyfunc_call

__all__ = ['loop', 'pytest_pyfunc_call']
