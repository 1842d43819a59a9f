"""Certificates and keys, loaded before workers are forked: so they understand each other's session tickets, and may be users
who cannot read the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from granian.process.plan.sections import Plan
    from granian.server.settings import TlsSettings
    from granian.server.tls.credentials import Credentials


def credentials_of(plan: Plan) -> tuple[Credentials | None, ...]:
    """For each listener of the plan; None where it is not encrypted. Raises CertificateFault."""
    return tuple(None if each.tls is None else _loaded(each.tls) for each in plan.worker.serving.listeners)


def _loaded(settings: TlsSettings) -> Credentials:
    # Here, so that a server in clear does not load OpenSSL.
    from granian.server.tls.credentials import Credentials

    return Credentials(settings)
