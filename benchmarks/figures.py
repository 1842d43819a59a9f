"""From samples to figures: ratios of pairs, their median and range, and whether a bound is met."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.drivers import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.rows import Bound

METRICS = ('cpu_us', 'rps', 'p50_ms', 'p99_ms', 'pss_mib')


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, middle and greatest of some numbers."""

    low: float
    median: float
    high: float


def spread(numbers: Iterable[float | None]) -> Spread | None:
    """The spread of the numbers that were measured; None if none was."""
    known = [number for number in numbers if number is not None]
    return Spread(min(known), statistics.median(known), max(known)) if known else None


def combine(slices: Sequence[Sample]) -> Sample:
    """The slices of one round as one sample: CPU time over all their requests, the middle latency, the greatest memory."""
    requests = sum(part.requests for part in slices)
    used_us = sum(part.cpu_us * part.requests for part in slices if part.cpu_us is not None)
    middle = {metric: spread(getattr(part, metric) for part in slices) for metric in ('p50_ms', 'p99_ms')}
    rates = [part.rps for part in slices if part.rps is not None]
    return Sample(
        pss_mib=max(part.pss_mib for part in slices),
        cpu_us=used_us / requests if requests else None,
        rps=statistics.fmean(rates) if rates else None,
        requests=requests,
        client_share=statistics.fmean(part.client_share for part in slices),
        fault=', '.join(faults(slices)),
        **{metric: found and found.median for metric, found in middle.items()},
    )


def ratio(ours: Sequence[Sample], peers: Sequence[Sample], metric: str) -> Spread | None:
    """The spread of ours ÷ the peer's, pair by pair; pairs that lack the metric are left out."""
    pairs = [(getattr(a, metric), getattr(b, metric)) for a, b in zip(ours, peers, strict=True)]
    return spread(a / b if a is not None and b else None for a, b in pairs)


def faults(samples: Iterable[Sample]) -> list[str]:
    """The faults among samples, each once, in order."""
    return list(dict.fromkeys(sample.fault for sample in samples if sample.fault))


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state` is met, not met, no bound, or invalid; `text` is what the table prints."""

    state: str
    text: str


def _breach(bound: Bound, ours: Sequence[Sample], peers: Sequence[Sample]) -> tuple[list[str], list[str]]:
    limits = (
        ('CPU', 'cpu_us', bound.cpu_max, '≤'),
        ('req/s', 'rps', bound.rps_min, '≥'),
        ('PSS', 'pss_mib', bound.pss_max, '≤'),
    )
    asked, broken = [], []
    for label, metric, limit, sign in limits:
        if limit is None:
            continue
        found = ratio(ours, peers, metric)
        asked.append(f'{label} {sign} {limit:g}')
        if found is None or (found.median > limit if sign == '≤' else found.median < limit):
            broken.append(label)
    return asked, broken


def judge(bound: Bound | None, ours: Sequence[Sample], peers: Sequence[Sample]) -> Verdict:
    """Hold the medians of the ratios against `bound`; a sample with a fault makes the whole row invalid."""
    wrong = faults([*ours, *peers])
    if wrong:
        return Verdict('invalid', 'invalid: ' + '; '.join(wrong))
    if bound is None:
        return Verdict('no bound', 'no bound')
    asked, broken = _breach(bound, ours, peers)
    state = 'not met' if broken else 'met'
    return Verdict(state, f'{", ".join(asked)}: {state}')
