"""The row table, the request heads and the client's script."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import __main__ as command
from benchmarks import drivers, heads
from benchmarks.peers import PEERS, ROOT, BenchmarkError
from benchmarks.rows import ROWS, Row
from benchmarks.servers import TARGETS, expected

BY_NAME = {row.name: row for row in ROWS}


def filled(row, number='1234567890'):
    return heads.template(row, '127.0.0.1:8000').replace(heads.COUNTER, number)


def fields(row, number='1234567890'):
    lines = filled(row, number).removesuffix('\r\n\r\n').split('\r\n')[1:]
    return dict(line.split(': ', 1) for line in lines)


def test_row_names_are_unique():
    assert len(BY_NAME) == len(ROWS)


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row.name)
def test_row_is_known_to_its_driver_head_and_peers(row):
    assert row.driver in drivers.DRIVERS
    assert row.head in heads.KINDS
    assert set(row.bounds) <= set(PEERS)
    assert row.interface in TARGETS
    assert all(row.interface in PEERS[peer].interfaces for peer in row.bounds)
    assert row.answer_bytes == len(expected(row))


@pytest.mark.parametrize('size', ['10b', '1k', '10k', '100k'])
@pytest.mark.parametrize('head', ['bare', 'browser'])
@pytest.mark.parametrize('interface', ['asgi', 'rsgi', 'wsgi', 'wsgi-1-thread'])
def test_every_size_is_got_and_echoed_with_both_heads(size, head, interface):
    assert BY_NAME[f'{interface}-get-{size}-{head}'].head == head
    assert size == '10b' or BY_NAME[f'{interface}-echo-{size}-{head}'].method == 'POST'


def test_bare_head_has_host_only():
    assert filled(Row('row')) == 'GET /10b HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n'


def test_browser_head_has_16_fields_of_about_720_bytes_with_one_of_them_and_the_query_new():
    row = Row('row', head='browser')
    first, second = fields(row, '1111111111'), fields(row, '2222222222')
    assert len(first) == 16
    assert 690 <= len(filled(row)) <= 750
    assert [name for name in first if first[name] != second[name]] == ['x-request-id']
    assert filled(row, '7').startswith('GET /10b?page=7 HTTP/1.1\r\n')


def test_unique_head_repeats_no_field():
    row = Row('row', head='unique')
    first, second = fields(row, '1111111111'), fields(row, '2222222222')
    assert len(first) == 16
    assert set(first) & set(second) == {'Host'}
    assert not set(first.values()) & set(second.values())


def test_body_is_announced():
    assert fields(Row('row', '/echo', 'POST', 1024, 1024))['Content-Length'] == '1024'


def test_script_of_a_fixed_head_builds_it_once():
    text = drivers.script(Row('row'), 'h', 5)
    assert r"local fixed = 'GET /10b HTTP/1.1\r\nHost: h\r\n\r\n'" in text
    assert '@' not in text


def test_script_of_a_changing_head_puts_the_counter_in_each_request():
    text = drivers.script(Row('row', '/echo', 'POST', 7, 7, head='browser'), 'h', 5)
    assert r"return 'POST /echo?page=' .. n .. ' HTTP/1.1\r\n" in text
    assert text.count(' .. body') == 1
    assert "string.rep('x', 7)" in text
    assert 'local counter = 5\n' in text


def result(**changed):
    clean = {'requests': 10, 'bytes': 1000, 'connect': 0, 'read': 0, 'write': 0, 'status': 0, 'timeout': 0}
    return {**clean, **changed}


def test_clean_result_has_no_fault():
    assert drivers.fault_of(result(), Row('row')) == ''


def test_errors_short_answers_and_silence_are_faults():
    row = Row('row', answer_bytes=10)
    assert drivers.fault_of(result(status=2, read=1), row) == '1 read errors, 2 answers were not 2xx'
    assert drivers.fault_of(result(bytes=99), row) == 'answers were shorter than the body asked for'
    assert drivers.fault_of(result(requests=0), row) == 'no request was answered'


def test_rows_are_chosen_by_globs_in_the_order_of_the_table():
    names = [row.name for row in command.select_rows('asgi-get-1k-*, asgi-get-10b-bare')]
    assert names == ['asgi-get-10b-bare', 'asgi-get-1k-bare', 'asgi-get-1k-browser']


def test_unknown_row_and_peer_are_refused_by_name():
    with pytest.raises(BenchmarkError, match="no row is called 'nope'"):
        command.select_rows('nope')
    with pytest.raises(BenchmarkError, match="no server is called 'nope'"):
        command.peers_of(ROWS[0], 'nope')


def test_peers_are_those_with_a_bound_unless_named():
    assert command.peers_of(BY_NAME['asgi-get-10b-bare'], '') == ['rust', 'floor']
    assert command.peers_of(BY_NAME['asgi-get-1k-bare'], 'floor,uvicorn') == ['uvicorn']  # the floor has one answer


def test_rounds_alternate_their_order():
    assert [command.turn(2, index) for index in range(3)] == [[0, 1], [1, 0], [0, 1]]


def test_command_runs_from_a_tree_with_nothing_installed():
    done = subprocess.run(
        [sys.executable, '-I', str(ROOT / 'benchmarks' / '__main__.py'), '--list'],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, '')
    assert all(row.name in done.stdout for row in ROWS)


def test_fault_of_the_person_is_one_line_and_exit_code_2(capsys):
    assert command.main(['--rows', 'nope']) == 2
    assert capsys.readouterr().err == "benchmarks: no row is called 'nope' (--list prints them)\n"
