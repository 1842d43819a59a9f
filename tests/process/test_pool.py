"""Who takes whose place, without a process: the rules of a change, of deaths and of the end."""

from __future__ import annotations

import logging

import pytest

from granian.process.pool.leaving import CLOSE_S
from granian.process.report import StartFailure
from tests.helpers.workers import Stage


def test_at_the_start_each_accepts_as_soon_as_it_is_ready():
    stage = Stage()
    stage.pool.open(stage.generation())
    first, second = stage.started
    stage.ready(first)
    assert first.orders == ['accept']
    assert second.orders == []


def test_it_has_settled_once_all_serve():
    stage = Stage()
    stage.pool.open(stage.generation())
    first, second = stage.started
    stage.serve(first)
    assert stage.settlings == 0
    stage.serve(second)
    assert stage.settlings == 1


def test_nothing_has_settled_before_it_was_opened():
    stage = Stage()
    stage.pool.look_round()
    assert stage.settlings == 0


# ── a change ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_none_accepts_before_all_are_ready_and_none_leaves_before_all_accept():
    stage = Stage()
    old = stage.open()
    first, second = stage.change(stage.generation(2))
    stage.ready(first)
    assert first.orders == []
    stage.ready(second)
    assert first.orders == second.orders == ['accept']
    stage.pool.on_serving(first)
    assert [child.phase for child in old] == ['serving', 'serving']
    stage.pool.on_serving(second)
    assert [child.phase for child in old] == ['leaving', 'leaving']
    assert stage.pool.members == {0: first, 1: second}
    assert stage.done == [None]


def test_the_outcome_is_told_before_the_old_ones_are_told_to_leave():
    stage = Stage()
    old = stage.open()
    seen = []
    generation = stage.generation(2)
    stage.pool.begin(generation, range(2), lambda _: seen.extend(child.phase for child in old))
    stage.serve(*stage.started[2:])
    assert seen == ['serving', 'serving']


def changed(stage, told):
    """The old workers of a change whose end is told by `told` growing."""
    old = list(stage.pool.members.values())
    generation, before = stage.generation(2), len(stage.started)
    stage.pool.begin(generation, range(2), lambda _: stage.pool.once_closed(lambda: told.append(stage.now)))
    stage.serve(*stage.started[before:])
    return old


def test_nobody_is_told_of_the_end_before_every_old_one_has_closed():
    stage, told = Stage(), []
    stage.open()
    first, second = changed(stage, told)
    stage.close(first)
    assert told == []
    stage.close(second)
    assert told == [stage.now]
    stage.end(first)
    stage.end(second)
    stage.pass_time(10)
    assert len(told) == 1


def test_an_old_one_that_dies_accepts_no_more():
    stage, told = Stage(), []
    stage.open()
    first, second = changed(stage, told)
    stage.close(first)
    stage.end(second, -9)
    assert told == [stage.now]


def test_an_old_one_that_is_stuck_is_waited_for_once_and_not_for_long():
    stage, told = Stage(), []
    stage.open()
    first, _ = changed(stage, told)
    stage.close(first)
    stage.pass_time(CLOSE_S - 0.1)
    assert told == []
    stage.pass_time(0.1)
    assert told == [stage.now]
    stage.close(*changed(stage, told))
    assert len(told) == 2


def test_a_change_is_not_held_up_by_those_that_have_not_closed_and_is_told_after_the_one_before():
    stage, told = Stage(), []
    stage.open()
    first, second = changed(stage, told)
    third, fourth = changed(stage, told)
    assert stage.pool.change is None
    stage.close(third, fourth, first)
    assert told == []
    stage.close(second)
    assert len(told) == 2


def test_an_old_one_that_never_accepted_is_not_waited_for():
    stage, told = Stage(), []
    _, second = stage.open()
    stage.end(second, -9)
    first, _ = changed(stage, told)
    stage.close(first)
    assert told == [stage.now]


def test_who_accepted_for_a_change_that_is_given_up_is_waited_for():
    stage, told = Stage(), []
    stage.open()
    first, _ = stage.change(stage.generation(2))
    stage.ready(*stage.started[2:])
    stage.pool.abandon(StartFailure('FatalError', 'given up', ''))
    stage.pool.once_closed(lambda: told.append(1))
    stage.end(stage.newest())
    assert told == []
    stage.close(first)
    assert told == [1]


def test_a_stop_meanwhile_changes_nothing_for_who_waits():
    stage, told = Stage(), []
    stage.open()
    old = changed(stage, told)
    stage.pool.stop()
    stage.close(*old)
    assert told == [stage.now]


def test_a_candidate_that_cannot_start_ends_the_change_and_nothing_else():
    stage = Stage()
    old = stage.open()
    first, second = stage.change(stage.generation(2))
    stage.ready(first)
    second.failure = StartFailure('AppLoadError', 'no such module', '')
    stage.end(second, 1)
    assert [failure.message for failure in stage.done] == ['no such module']
    assert first.orders == ['SIGTERM']
    assert [child.phase for child in old] == ['serving', 'serving']
    assert stage.pool.generation.number == 1
    assert stage.given_up == []


def test_a_candidate_that_dies_while_it_accepts_ends_the_change_and_the_others_leave_their_queues():
    stage = Stage()
    generation = stage.generation()
    stage.open(generation)
    first, second = stage.change(generation)
    stage.ready(first, second)
    stage.pool.on_serving(first)
    stage.end(second, -9)
    assert first.orders == ['accept', ('retire', [0])]
    assert stage.done[0].message == 'worker-2 killed by SIGKILL'


def test_no_room_for_another_process_ends_the_change():
    stage = Stage()
    old = stage.open()
    stage.full = True
    stage.change(stage.generation(2))
    assert 'could not be started' in stage.done[0].message
    assert [child.phase for child in old] == ['serving', 'serving']


def test_queues_that_go_on_are_left_and_those_of_a_listener_that_is_gone_are_served_first():
    stage = Stage()
    kept, gone = stage.generation(), stage.generation()
    both = stage.generation()
    both.sockets.bound = [*kept.sockets.bound, *gone.sockets.bound]
    old = stage.open(both)
    stage.serve(*stage.change(kept))
    assert [child.orders[-1] for child in old] == [('retire', [0]), ('retire', [0])]
    assert len(old[0].part.sockets) == 2


def test_fewer_workers_serve_the_sockets_of_those_that_are_gone():
    stage = Stage(workers=3)
    three = stage.generation()
    old = stage.open(three)
    fewer = stage.generation(2, workers=2)
    fewer.sockets.bound = three.sockets.bound
    new = stage.change(fewer)
    stage.serve(*new)
    assert {sock for child in new for sock in child.part.sockets} == set(three.sockets.every())
    assert [child.orders[-1] for child in old] == [('retire', [0])] * 3
    assert sorted(stage.pool.members) == [0, 1]


def test_a_change_that_needs_nobody_new_only_lets_go():
    stage = Stage()
    generation = stage.generation(sockets=1)
    first, second = stage.open(generation)
    fewer = stage.generation(2, workers=1)
    fewer.sockets.bound = generation.sockets.bound
    assert stage.change(fewer, slots=[]) == []
    assert (first.phase, second.phase) == ('serving', 'leaving')
    assert stage.done == [None]


def test_who_does_not_start_in_time_ends_the_change_and_nothing_else():
    stage = Stage(start_s=90.0)
    old = stage.open()
    first, second = stage.change(stage.generation(2))
    stage.ready(first, second)
    stage.pass_time(89)
    assert stage.done == []
    stage.pass_time(1)
    assert stage.late == [first, second]
    assert first.phase == 'opening'
    stage.pass_time(1)
    assert [failure.message for failure in stage.done] == ['worker-1, worker-2 did not start within 90 s']
    assert [child.phase for child in (*old, first, second)] == ['serving', 'serving', 'leaving', 'leaving']


def test_who_has_started_in_time_is_not_given_up_later():
    stage = Stage(start_s=90.0)
    stage.open()
    stage.serve(*stage.change(stage.generation(2), overlap_s=120.0))
    stage.pass_time(100)
    assert stage.done == []
    stage.pass_time(20)
    assert stage.done == [None]
    stage.pass_time(1000)
    assert stage.late == []


def test_the_first_start_may_take_as_long_as_it_likes():
    stage = Stage(start_s=90.0)
    stage.pool.open(stage.generation())
    stage.pass_time(1000)
    assert (stage.late, stage.given_up) == ([], [])


def test_what_waits_is_done_after_the_change():
    stage = Stage()
    stage.open()
    candidates = stage.change(stage.generation(2))
    done = []
    stage.pool.then(lambda: done.append(stage.pool.generation.number))
    assert done == []
    stage.serve(*candidates)
    assert done == [2]


# ── planned replacements ─────────────────────────────────────────────────────────────────────────────────────────────


def test_members_are_replaced_one_at_a_time():
    stage = Stage()
    first, second = stage.open()
    stage.pool.wish(first, 'age')
    stage.pool.wish(second, 'age')
    assert len(stage.started) == 3
    stage.serve(stage.newest())
    assert first.phase == 'leaving'
    assert stage.newest().slot == 1
    stage.serve(stage.newest())
    assert second.phase == 'leaving'


def test_a_stalled_one_comes_before_those_that_wait():
    stage = Stage(workers=3)
    first, second, third = stage.open()
    for child in (first, second):
        stage.pool.wish(child, 'age')
    stage.pool.wish(third, 'stalled', urgent=True)
    stage.serve(stage.newest())
    assert stage.newest().slot == 2


def test_old_and_new_are_there_together_for_the_respawn_interval():
    stage = Stage(respawn_interval_s=3.5)
    first, _ = stage.open()
    stage.pool.wish(first, 'age')
    stage.pass_time(1)
    stage.serve(stage.newest())
    assert first.phase == 'serving'
    stage.pass_time(2)
    assert first.phase == 'serving'
    stage.pass_time(0.5)
    assert first.phase == 'leaving'


def test_a_death_beside_a_replacement_does_not_disturb_it():
    stage = Stage(respawn_interval_s=3.5)
    first, second = stage.open()
    stage.pool.wish(first, 'age')
    candidate = stage.newest()
    stage.serve(candidate)
    stage.end(second, -9)
    settlings = stage.settlings
    stage.serve(stage.newest())
    assert stage.settlings == settlings + 1
    stage.pass_time(3.5)
    assert first.phase == 'leaving'
    assert stage.pool.members == {0: candidate, 1: stage.newest()}
    stage.pass_time(3.5)
    assert stage.given_up == []


def test_a_replacement_that_fails_is_tried_again_later_and_later():
    stage = Stage()
    first, _ = stage.open()
    stage.pool.wish(first, 'age')
    for delay_s in (1, 2, 4):
        count = len(stage.started)
        stage.end(stage.newest(), 1)
        assert first.phase == 'serving'
        stage.pass_time(delay_s - 0.1)
        assert len(stage.started) == count
        stage.pass_time(0.2)
        assert len(stage.started) == count + 1
    assert stage.given_up == []


def test_a_reload_takes_the_place_of_replacements_and_of_those_that_wait(caplog):
    stage = Stage()
    first, second = stage.open()
    stage.pool.wish(first, 'age')
    stage.pool.wish(second, 'age')
    candidate = stage.newest()
    with caplog.at_level(logging.INFO):
        stage.pool.at_once(lambda: stage.change(stage.generation(2)))
    given_up = 'worker-1 goes on, it was not replaced: given up for a later request'
    assert ('_granian', logging.INFO, given_up) in caplog.record_tuples
    assert candidate.orders == ['SIGTERM']
    assert [child.generation.number for child in stage.started[3:]] == [2, 2]
    stage.serve(*stage.started[3:])
    count = len(stage.started)
    stage.pass_time(100)
    assert len(stage.started) == count


# ── deaths ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_dead_worker_is_replaced_at_once_in_its_slot():
    stage = Stage()
    _, second = stage.open()
    stage.pass_time(30)
    stage.end(second, 1)
    stage.pass_time(0)
    assert (stage.newest().slot, stage.newest().respawned) == (1, True)
    assert stage.given_up == []


def test_without_respawn_one_death_is_the_end():
    stage = Stage(respawn=False)
    first, _ = stage.open()
    stage.end(first, 1)
    assert stage.given_up == [None]


def test_a_replacement_that_dies_young_is_a_crash_loop():
    stage = Stage()
    first, _ = stage.open()
    stage.end(first, 1)
    stage.pass_time(0)
    stage.serve(stage.newest())
    stage.pass_time(5.5)
    stage.end(stage.newest(), 1)
    assert stage.given_up == [None]


@pytest.mark.parametrize('code', [-9, -15])
def test_whoever_is_killed_from_outside_is_no_crash_loop_and_not_waited_for(code):
    stage = Stage()
    stage.open()
    for _ in range(10):
        stage.end(stage.newest(), code)
        stage.serve(stage.newest())
    assert stage.given_up == []
    assert len(stage.started) == 12


def test_whoever_is_told_to_end_by_somebody_else_is_replaced_before_it_has():
    stage = Stage()
    first, second = stage.open()
    stage.pool.on_leaving(first)
    assert stage.newest().slot == 0
    assert first.phase == 'leaving'
    stage.pool.on_leaving(first)
    assert len(stage.started) == 3
    stage.serve(stage.newest())
    stage.end(first)
    assert stage.pool.members == {0: stage.newest(), 1: second}
    assert stage.given_up == []


def test_without_respawn_whoever_is_told_to_end_is_not_replaced():
    stage = Stage(respawn=False)
    first, _ = stage.open()
    stage.pool.on_leaving(first)
    assert len(stage.started) == 2
    stage.end(first)
    assert stage.given_up == [None]


def test_no_room_for_a_dead_one_s_successor_is_not_the_end():
    stage = Stage()
    first, _ = stage.open()
    stage.full = True
    stage.end(first, -9)
    stage.pass_time(1)
    assert len(stage.started) == 2
    stage.full = False
    stage.pass_time(1)
    assert stage.newest().slot == 0
    assert stage.given_up == []


def test_whoever_is_killed_again_and_again_before_it_serves_is_waited_for():
    stage = Stage()
    stage.open()
    # At once: it served. Then at once, too, as any first death.
    stage.end(stage.newest(), -9)
    stage.end(stage.newest(), -9)
    stage.pass_time(0)
    for delay_s in (1, 2, 4):
        count = len(stage.started)
        stage.end(stage.newest(), -9)
        stage.pass_time(delay_s - 0.1)
        assert len(stage.started) == count
        stage.pass_time(0.2)
        assert len(stage.started) == count + 1
    assert stage.given_up == []


def test_each_slot_that_dies_again_and_again_waits_longer():
    stage = Stage()
    stage.open()
    waits = []
    for _ in range(6):
        stage.pass_time(6)
        stage.end(stage.newest(), 1)
        count, waited_s = len(stage.started), 0
        stage.pass_time(0)
        while len(stage.started) == count:
            stage.pass_time(1)
            waited_s += 1
        waits.append(waited_s)
        stage.serve(stage.newest())
    assert waits == [0, 1, 2, 4, 8, 8]


def test_one_that_has_lived_long_is_replaced_at_once_again():
    stage = Stage()
    stage.open()
    for _ in range(4):
        stage.pass_time(60)
        count = len(stage.started)
        stage.end(stage.newest(), 1)
        stage.pass_time(0)
        assert len(stage.started) == count + 1
        stage.serve(stage.newest())


def test_a_slot_that_waits_is_filled_by_a_change():
    stage = Stage()
    stage.open()
    for _ in range(2):
        stage.pass_time(6)
        stage.end(stage.newest(), 1)
        stage.pass_time(0)
        stage.serve(*stage.started[-1:])
    stage.serve(*stage.change(stage.generation(2)))
    count = len(stage.started)
    stage.pass_time(20)
    assert len(stage.started) == count


def test_a_start_that_fails_is_the_end_with_its_reason():
    stage = Stage()
    stage.pool.open(stage.generation())
    stage.end(stage.started[0], 3)
    assert stage.given_up[0].message == 'worker-1 exited with status 3 before it was ready'


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_everyone_is_told_to_stop_and_killed_when_patience_ends():
    stage = Stage()
    members = stage.open()
    candidates = stage.change(stage.generation(2))
    stage.pool.stop()
    assert all(child.orders[-1] == 'SIGTERM' for child in [*members, *candidates])
    stage.end(members[0])
    stage.pass_time(10)
    assert members[0].orders[-1] == 'SIGTERM'
    assert all(child.orders[-1] == 'SIGKILL' for child in [*members[1:], *candidates])


def test_nobody_is_started_after_the_end_has_begun():
    stage = Stage()
    first, second = stage.open()
    stage.pool.wish(first, 'age')
    stage.pool.stop()
    count = len(stage.started)
    stage.end(second, 1)
    stage.pool.then(pytest.fail)
    stage.pass_time(100)
    assert len(stage.started) == count


def test_a_successor_is_left_the_queues():
    stage = Stage()
    generation = stage.generation()
    first, second = stage.open(generation)
    stage.pool.stop({id(sock) for sock in first.part.sockets})
    assert (first.orders[-1], second.orders[-1]) == (('retire', [0]), ('retire', []))
