"""Upstream's import path of the server with worker processes."""

from granian.api.server import Granian as MPServer

__all__ = ['MPServer']
