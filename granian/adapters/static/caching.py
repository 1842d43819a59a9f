"""Cache-Control by rule, and which precompressed sidecar a client wants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from granian.globs import matcher
from granian.protocol.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from granian.adapters.static.settings import CacheRule, Coding

IMMUTABLE = 'public, max-age=31536000, immutable'
SUFFIXES: dict[Coding, bytes] = {'br': b'.br', 'zstd': b'.zst', 'gzip': b'.gz'}
# RFC 9110 12.4.2.
_is_weight = re.compile(r'(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)').fullmatch


class CachePolicies:
    """The first rule whose glob matches, else the age."""

    def __init__(self, rules: Iterable[CacheRule], expires_s: int | None) -> None:
        self._rules = [(matcher(rule.glob), _policy(rule.policy)) for rule in rules]
        self._otherwise = b'max-age=%d' % expires_s if expires_s else b''

    def of(self, segments: Sequence[bytes]) -> bytes:
        """The Cache-Control of a file, b'' for none."""
        path = b'/'.join(segments).decode(errors='replace')
        for matches, policy in self._rules:
            if matches(path):
                return policy
        return self._otherwise


def _policy(policy: str) -> bytes:
    return (IMMUTABLE if policy == 'immutable' else policy).encode()


class Codings:
    """The sidecars of one folder."""

    def __init__(self, codings: Sequence[Coding]) -> None:
        self._codings = tuple(codings)
        self._known: Memory[tuple[Coding, ...]] = Memory(entries_max=64, key_bytes_max=256)

    def wanted(self, accepted: bytes) -> tuple[Coding, ...]:
        """Those of the sidecars a client prefers to the file itself, the most wanted first (RFC 9110 12.5.3)."""
        found = self._known.recent.get(accepted)
        if found is None:
            found = self._known.recall(accepted)
        if found is None:
            found = self._choose(accepted.decode('latin-1').lower())
            self._known.keep(accepted, found, len(accepted))
        return found

    def _choose(self, accepted: str) -> tuple[Coding, ...]:
        weights = dict(filter(None, map(_weighted, accepted.split(','))))
        if 'x-gzip' in weights:
            weights.setdefault('gzip', weights['x-gzip'])
        others = weights.get('*', 0.0)
        # The file itself needs no leave. It is preferred only where the client says so.
        itself = weights.get('identity', 0.0)
        wanted = [(weights.get(coding, others), coding) for coding in self._codings]
        chosen = [(weight, coding) for weight, coding in wanted if weight > 0 and weight >= itself]
        return tuple(coding for _, coding in sorted(chosen, key=lambda pair: -pair[0]))


def _weighted(element: str) -> tuple[str, float] | None:
    coding, _, parameter = element.partition(';')
    name, _, weight = parameter.partition('=')
    coding = coding.strip()
    if not parameter.strip():
        return (coding, 1.0) if coding else None
    if name.strip() != 'q' or not _is_weight(weight.strip()):
        return None
    return coding, float(weight)
