"""Certificates for the rows over TLS, made once by the program openssl."""

from __future__ import annotations

import shutil
import subprocess

from benchmarks.peers import ENVIRONMENTS, BenchmarkError

FOLDER = ENVIRONMENTS / 'tls'
KINDS = {'ec': ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'), 'rsa': ('-newkey', 'rsa:2048')}
# Without an extension it would be of version 1, which not every server takes.
NAMES = ('-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1')
OPTIONS = '--ssl-certificate .peers/tls/{kind}.pem --ssl-keyfile .peers/tls/{kind}.key'


def make() -> None:
    """For localhost, of each kind; what is there stays."""
    if shutil.which('openssl') is None:
        raise BenchmarkError('openssl is not installed (Debian and Ubuntu: apt-get install openssl)')
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind, key in KINDS.items():
        certificate, private = FOLDER / f'{kind}.pem', FOLDER / f'{kind}.key'
        if not (certificate.exists() and private.exists()):
            command = ['openssl', 'req', '-x509', *key, '-nodes', '-days', '3650', '-subj', '/CN=localhost', *NAMES]
            subprocess.run(
                [*command, '-keyout', str(private), '-out', str(certificate)],
                check=True,
                capture_output=True,
            )
