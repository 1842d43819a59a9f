"""Ratios of pairs, their spread, and the verdict on a bound."""

from __future__ import annotations

import pytest

from benchmarks import figures
from benchmarks.drivers import Sample
from benchmarks.rows import Bound


def samples(*cpu_us, rps=1000.0, fault=''):
    return [Sample(pss_mib=10.0, cpu_us=value, rps=rps, fault=fault) for value in cpu_us]


def test_ratio_is_taken_pair_by_pair():
    found = figures.ratio(samples(10.0, 30.0, 20.0), samples(20.0, 30.0, 10.0), 'cpu_us')
    assert found == figures.Spread(0.5, 1.0, 2.0)


def test_pairs_without_the_metric_are_left_out():
    assert figures.ratio(samples(None, 10.0), samples(20.0, 20.0), 'cpu_us') == figures.Spread(0.5, 0.5, 0.5)
    assert figures.ratio(samples(None), samples(None), 'cpu_us') is None


def test_pairs_of_different_number_are_refused():
    with pytest.raises(ValueError, match='zip'):
        figures.ratio(samples(1.0), samples(1.0, 2.0), 'cpu_us')


def test_bound_is_judged_on_the_median_and_includes_its_limit():
    ours, theirs = samples(8.5, 1.0, 99.0), samples(10.0, 10.0, 10.0)
    assert figures.judge(Bound(cpu_max=0.85), ours, theirs) == figures.Verdict('met', 'CPU ≤ 0.85: met')
    assert figures.judge(Bound(cpu_max=0.84), ours, theirs).state == 'not met'


def test_throughput_bound_is_a_minimum():
    ours, theirs = samples(1.0, rps=1100.0), samples(1.0, rps=1000.0)
    assert figures.judge(Bound(rps_min=1.1), ours, theirs).state == 'met'
    verdict = figures.judge(Bound(cpu_max=1.0, rps_min=1.2), ours, theirs)
    assert verdict == figures.Verdict('not met', 'CPU ≤ 1, req/s ≥ 1.2: not met')


def test_memory_bound_needs_no_requests():
    assert figures.judge(Bound(pss_max=1.0), samples(None), samples(None)).state == 'met'


def test_bound_on_what_was_not_measured_is_not_met():
    assert figures.judge(Bound(cpu_max=1.0), samples(None), samples(None)).state == 'not met'


def test_one_fault_makes_the_row_invalid_whatever_the_ratio():
    verdict = figures.judge(Bound(cpu_max=9.0), samples(1.0), samples(1.0, fault='3 timeout errors'))
    assert verdict == figures.Verdict('invalid', 'invalid: 3 timeout errors')


def test_no_bound_is_said():
    assert figures.judge(None, samples(1.0), samples(1.0)).state == 'no bound'


def test_slices_of_a_round_become_one_sample():
    slices = [
        Sample(pss_mib=10.0, cpu_us=10.0, rps=100.0, p50_ms=1.0, p99_ms=2.0, requests=100, client_share=0.5),
        Sample(
            pss_mib=12.0, cpu_us=20.0, rps=300.0, p50_ms=3.0, p99_ms=9.0, requests=300, client_share=0.7, fault='bad'
        ),
    ]
    assert figures.combine(slices) == Sample(
        pss_mib=12.0, cpu_us=17.5, rps=200.0, p50_ms=2.0, p99_ms=5.5, requests=400, client_share=0.6, fault='bad'
    )


def test_slices_that_measure_memory_only_keep_the_rest_unknown():
    assert figures.combine([Sample(pss_mib=10.0), Sample(pss_mib=11.0)]) == Sample(pss_mib=11.0)
