"""The exceptions a person may see. Imports nothing."""

from __future__ import annotations


class FatalError(Exception):
    """The server cannot go on. Exit status 1."""


class ConfigurationError(FatalError):
    """An option, or a set of options, that cannot be served. Exit status 2."""


class PidFileError(FatalError):
    """The pid file belongs to somebody else, or cannot be read or written."""


class BindError(FatalError):
    """An address that cannot be listened on."""


class AppLoadError(FatalError):
    """A target that cannot be imported, or is not there."""


class LifespanError(FatalError):
    """An application that refused to start."""


class FlowError(RuntimeError):
    """An application sent something the protocol does not allow at this point."""


class ClientDisconnected(FlowError, OSError):  # noqa: N818  (the word the specification uses)
    """The client is gone: raised by a send after that (ASGI HTTP 2.4)."""


class InvalidResponse(FlowError):  # noqa: N818
    """An application gave a response that cannot be sent as HTTP."""
