"""Upstream's import path of the embedded server."""

from granian.api.embedded import Server

__all__ = ['Server']
