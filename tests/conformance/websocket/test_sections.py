"""Every case of the Autobahn test suite has its like among the cases here, or among the tests named here."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.autobahn import client
from tests.conformance.websocket.cases import CASES

# How many cases each section of the suite has.
SECTIONS = {
    '1.1': 8, '1.2': 8, '2': 11, '3': 7, '4.1': 5, '4.2': 5, '5': 20,
    '6.1': 3, '6.2': 4, '6.3': 2, '6.4': 4, '6.5': 5, '6.6': 11, '6.7': 4, '6.8': 2, '6.9': 4, '6.10': 3, '6.11': 5, '6.12': 8,
    '6.13': 5, '6.14': 10, '6.15': 1, '6.16': 3, '6.17': 5, '6.18': 5, '6.19': 5, '6.20': 7, '6.21': 8, '6.22': 34, '6.23': 7,
    '7.1': 6, '7.3': 6, '7.5': 1, '7.7': 13, '7.9': 9, '7.13': 2, '10.1': 1,
}  # fmt: skip
# Those whose cases differ in sizes and in nothing else: how many, and which test stands for them.
SIZES = {
    '9.1': (6, 'test_large', 'test_a_large_message'),
    '9.2': (6, 'test_large', 'test_a_large_message'),
    '9.3': (9, 'test_large', 'test_a_large_message_in_fragments'),
    '9.4': (9, 'test_large', 'test_a_large_message_in_fragments'),
    '9.5': (6, 'test_large', 'test_a_large_message_in_small_reads'),
    '9.6': (6, 'test_large', 'test_a_large_message_in_small_reads'),
    '9.7': (6, 'test_large', 'test_a_thousand_messages_one_by_one'),
    '9.8': (6, 'test_large', 'test_a_thousand_messages_one_by_one'),
    **{f'12.{data}': (18, 'test_deflate_sections', 'test_of_any_data_in_any_fragments') for data in range(1, 6)},
    **{f'13.{offer}': (18, 'test_deflate_sections', 'test_by_any_offer_in_any_fragments') for offer in range(1, 8)},
}
SUITE = {f'{section}.{n}' for section, count in SECTIONS.items() for n in range(1, count + 1)}
NUMBERS = re.compile(r'((?:\d+\.)+)(\d+)(?:-(\d+))? ').match


def numbers(name):
    """`5.3-5 text in two` → 5.3, 5.4, 5.5."""
    found = NUMBERS(name)
    return [f'{found[1]}{n}' for n in range(int(found[2]), int(found[3] or found[2]) + 1)] if found else []


def test_every_case_has_its_like():
    here = {number for case in CASES for number in numbers(case.name)}
    assert sorted(SUITE - here) == []


@pytest.mark.parametrize('section', SIZES)
def test_every_section_of_sizes_has_its_test(section):
    _, module, name = SIZES[section]
    assert callable(getattr(importlib.import_module(f'tests.conformance.websocket.{module}'), name))


def test_these_are_all_its_cases():
    assert sum(SECTIONS.values()) == client.QUICK_CASES
    assert sum(SECTIONS.values()) + sum(count for count, *_ in SIZES.values()) == client.ALL_CASES


def test_the_suite_has_these():
    """Asked itself, where it is installed."""
    try:
        client.require()
    except client.Unavailable as reason:
        pytest.skip(str(reason))
    sizes = {f'{section}.{n}' for section, (count, *_) in SIZES.items() for n in range(1, count + 1)}
    assert set(client.cases_of(('*',))) == SUITE | sizes
