"""What is shared between processes, and how it is written for Prometheus."""

from __future__ import annotations

import os

import pytest
from prometheus_client.parser import text_string_to_metric_families

from granian.observe import metrics
from granian.observe.board import ROW_WORDS, ROWS, Board
from granian.observe.metrics import OF_WORKER, OWN, exposition

# Upstream's: name → kind.
UPSTREAM_OWN = {
    f'granian_workers_{name}': 'counter'
    for name in ('spawns', 'respawns_for_err', 'respawns_for_lifetime', 'respawns_for_rss')
}
UPSTREAM = {
    'granian_worker_lifetime': 'counter', 'granian_connections_active': 'gauge', 'granian_connections_handled': 'counter',
    'granian_connections_err': 'counter', 'granian_requests_handled': 'counter', 'granian_static_requests_handled': 'counter',
    'granian_static_requests_err': 'counter', 'granian_blocking_threads': 'gauge', 'granian_blocking_queue': 'gauge',
    'granian_blocking_idle_cumulative': 'counter', 'granian_blocking_busy_cumulative': 'counter',
    'granian_py_wait_cumulative': 'counter',
}  # fmt: skip


@pytest.fixture
def board():
    return Board()


def shown(board):
    """By slot, the first number of its worker."""
    return {slot: values[0] for slot, values in board.shown()}


def test_upstream_s_names_and_kinds_are_there_and_a_parser_takes_all_of_it():
    text = exposition(range(len(OWN)), [(0, range(len(OF_WORKER))), (2, [9] * len(OF_WORKER))]).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}

    assert {name: families[name].type for name in UPSTREAM_OWN | UPSTREAM} == UPSTREAM_OWN | UPSTREAM
    assert len(families) == len(OWN) + len(OF_WORKER)
    assert all(family.documentation for family in families.values())
    assert [(sample.labels, sample.value) for sample in families['granian_connections_active'].samples] == [
        ({'worker': '1'}, 1), ({'worker': '3'}, 9),
    ]  # fmt: skip
    assert [sample.labels for sample in families['granian_workers_spawns'].samples] == [{}]
    assert text.endswith('\n')


def test_without_workers_there_are_the_server_s_own_numbers():
    board = Board([1])
    board.tell(metrics.SPAWNS, 2)
    text = exposition(board.own(), board.shown()).decode()

    assert {line for line in text.splitlines() if not line.startswith('#')} == {
        'granian_workers_spawns 2', 'granian_workers_respawns_for_err 0', 'granian_workers_respawns_for_lifetime 0',
        'granian_workers_respawns_for_rss 0', 'granian_workers_respawns_for_requests 0',
    }  # fmt: skip


def test_a_row_is_written_in_one_process_and_read_in_another(board):
    row = board.take()
    board.show(0, row)
    pid = os.fork()
    if pid == 0:
        row.write([2**64 - 1, 5])
        os._exit(0)
    os.waitpid(pid, 0)

    ((slot, values),) = board.shown()
    assert (slot, values[:3]) == (0, [2**64 - 1, 5, 0])


def test_who_waits_for_its_turn_is_not_shown_until_it_has_it(board):
    old, new = board.take(), board.take()
    board.show(1, old)
    old.write([7])
    new.write([3])
    assert shown(board) == {1: 7}

    board.show(1, new)
    old.write([8])
    assert shown(board) == {1: 3}


def test_what_a_dead_worker_left_is_shown_until_another_takes_its_place(board):
    dead = board.take()
    board.show(0, dead)
    dead.write([7])
    board.drop(dead)
    assert shown(board) == {0: 7}

    board.show(0, board.take())
    assert shown(board) == {0: 0}


def test_of_fewer_slots_only_those_are_shown(board):
    for slot in range(3):
        board.show(slot, board.take())
    board.hide_from(1)

    assert shown(board) == {0: 0}


def test_rows_are_used_again_and_empty(board):
    for number in range(3 * ROWS):
        row = board.take()
        assert row is not None
        board.show(0, row)
        row.write([number] * ROW_WORDS)
        board.drop(row)
    assert shown(board) == {0: 3 * ROWS - 1}
    rows = [board.take() for _ in range(ROWS)]
    # One is still shown.
    assert rows.count(None) == 1
    board.hide_from(0)
    assert board.take() is not None
    assert board.take() is None


def test_every_number_has_its_place_in_a_row():
    assert len(OF_WORKER) <= ROW_WORDS
    places = [metrics.SPAWNS, metrics.FOR_ERR, metrics.FOR_LIFETIME, metrics.FOR_RSS, metrics.FOR_REQUESTS]
    assert places == [*range(len(OWN))]
