from __future__ import annotations

import collections
import contextlib
import errno
import os
import socket
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from granian.config.types.bind import Bind, parse_bind
from granian.errors import BindError
from granian.process.listening import sockets as process_sockets
from granian.process.listening.lapsed import Lapsed
from granian.process.listening.sockets import Wanted, bind_all, bind_faults
from granian.process.listening.unix_socket import SocketFile


@contextlib.contextmanager
def bound(*addresses: str | Bind, slots: int = 1, permissions: int | None = None):
    wanted = [Wanted(parse_bind(address), 128, permissions) for address in addresses]
    sockets = bind_all(wanted, slots)
    try:
        yield sockets
    finally:
        sockets.close()
        sockets.remove_files()


def connect(host: str, port: int | None) -> None:
    socket.create_connection((host, port), timeout=5).close()


@pytest.mark.parametrize('address', ['127.0.0.1:0', '[::1]:0', 'localhost:0'])
def test_every_address_of_a_listener_accepts_on_the_port_it_tells(address):
    with bound(address) as sockets:
        for each in sockets.bound:
            connect(*each.address)
            assert each.url('http').endswith(f':{each.address[1]}')


def test_a_name_listens_on_all_its_addresses_with_one_port():
    with bound('localhost:0') as sockets:
        hosts = {each.address[0] for each in sockets.bound}
        ports = {each.address[1] for each in sockets.bound}
    assert '127.0.0.1' in hosts
    assert len(ports) == 1


def test_a_star_is_reached_over_ipv4_and_ipv6():
    with bound('*:0') as sockets:
        port = sockets.bound[0].address[1]
        connect('127.0.0.1', port)
        connect('::1', port)
        assert [each.url('http') for each in sockets.bound] == [f'http://0.0.0.0:{port}', f'http://[::]:{port}']


def test_the_ipv6_wildcard_leaves_ipv4_to_another_listener():
    with bound('[::]:0') as first:
        port = first.bound[0].address[1]
        with bound(f'0.0.0.0:{port}') as second:
            assert second.bound[0].address == ('0.0.0.0', port)


def test_each_worker_slot_gets_its_share_of_the_connections():
    with bound('127.0.0.1:0', slots=3) as sockets:
        (listener,) = sockets.bound
        parts = [sockets.part(slot, 3).sockets for slot in range(3)]
        assert len({sock.fileno() for part in parts for sock in part}) == 3
        taken = collections.Counter()
        for _ in range(300):
            with socket.create_connection(listener.address):
                for slot in range(3):
                    with contextlib.suppress(BlockingIOError):
                        parts[slot][0].accept()[0].close()
                        taken[slot] += 1
    assert sum(taken.values()) == 300
    assert min(taken.values()) > 50


def test_without_balancing_reuseport_all_slots_share_one_socket(monkeypatch):
    monkeypatch.setattr(process_sockets, 'REUSEPORT_BALANCES', False)
    with bound('127.0.0.1:0', slots=3) as sockets:
        assert sockets.part(0, 3) == sockets.part(2, 3)


def test_a_worker_keeps_only_its_own_sockets():
    with bound('127.0.0.1:0', slots=2) as sockets:
        (other,), (own,) = sockets.part(0, 2).sockets, sockets.part(1, 2).sockets
        sockets.keep_only([own])
        assert other.fileno() == -1
        connect(*sockets.bound[0].address)
        own.accept()[0].close()


@pytest.mark.parametrize('slots', [1, 3])
def test_a_port_of_another_server_is_refused_even_where_that_one_shares_it_among_workers(slots):
    with bound('127.0.0.1:0', slots=slots) as first:
        port = first.bound[0].address[1]
        with pytest.raises(
            BindError, match=rf'^listeners\[0\].bind: 127.0.0.1:{port}: already in use by another process$'
        ):
            bind_all([Wanted(parse_bind(f'127.0.0.1:{port}'), 128)], slots)


def test_a_port_that_somebody_else_shares_with_reuseport_is_refused():
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(('127.0.0.1', 0))
        other.listen()
        with pytest.raises(BindError, match='already in use'), bound(f'127.0.0.1:{other.getsockname()[1]}', slots=2):
            pass


def test_one_fault_lets_go_of_everything_bound_before(tmp_path):
    path = tmp_path / 'first.sock'
    with pytest.raises(BindError, match=r'^listeners\[1\]'), bound(f'unix:{path}', 'no-such-name.invalid:80'):
        pass
    assert not path.exists()


@pytest.mark.parametrize(
    ('address', 'message'),
    [
        ('192.0.2.1:80', 'listeners[0].bind: 192.0.2.1:80: not an address of this machine'),
        ('no-such-name.invalid:80', 'listeners[0].bind: no-such-name.invalid:80: the name cannot be resolved: '),
        ('unix:/no/such/directory/a.sock', 'listeners[0].bind: unix:/no/such/directory/a.sock: no such directory'),
        ('unix:/' + 'a' * 120, 'the path is longer than the 107 bytes a Unix socket may have'),
        ('fd:987', 'listeners[0].bind: fd:987: no such descriptor was inherited'),
        (
            'systemd',
            'listeners[0].bind: systemd: systemd handed over no sockets (LISTEN_FDS is not set for this process)',
        ),
    ],
)
def test_what_cannot_be_bound_is_told_in_words(address, message):
    with pytest.raises(BindError) as caught, bound(address):
        pass
    assert message in str(caught.value)


def test_faults_are_collected_and_nothing_stays_bound(tmp_path):
    path = tmp_path / 'a.sock'
    with bound('127.0.0.1:0') as taken:
        address = f'127.0.0.1:{taken.bound[0].address[1]}'
        wanted = [
            Wanted(parse_bind(text), 128) for text in (address, f'unix:{path}', '192.0.2.1:80', 'systemd', 'fd:987')
        ]
        faults = bind_faults(wanted)
    assert faults == [
        f'listeners[0].bind: {address}: already in use by another process',
        'listeners[2].bind: 192.0.2.1:80: not an address of this machine',
    ]
    assert not path.exists()


def test_a_unix_socket_has_its_permissions_and_is_removed_at_the_end(tmp_path):
    path = tmp_path / 'a.sock'
    with bound(f'unix:{path}', permissions=0o640) as sockets:
        found = path.stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o640
        assert sockets.bound[0].url('http') == f'unix:{path}'
        assert sockets.bound[0].address == (str(path), None)
    assert not path.exists()


def test_unset_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with bound(f'unix:{tmp_path}/a.sock'):
            assert stat.S_IMODE((tmp_path / 'a.sock').stat().st_mode) == 0o750
    finally:
        os.umask(before)


def test_a_stale_unix_socket_is_replaced(tmp_path):
    path = tmp_path / 'a.sock'
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with bound(f'unix:{path}'), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.parametrize('kind', [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_live_unix_socket_is_refused_and_left_alone(tmp_path, kind):
    path = tmp_path / 'a.sock'
    with socket.socket(socket.AF_UNIX, kind) as other:
        other.bind(str(path))
        if kind == socket.SOCK_STREAM:
            other.listen(0)
        with pytest.raises(BindError, match='already in use by another process'), bound(f'unix:{path}'):
            pass
        assert path.exists()


def test_a_live_unix_socket_with_a_full_backlog_is_refused_without_waiting(tmp_path):
    path = tmp_path / 'a.sock'
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(socket.socket(socket.AF_UNIX))
        other.bind(str(path))
        other.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect_ex(str(path))
        with pytest.raises(BindError, match='already in use'), bound(f'unix:{path}'):
            pass


def test_a_file_that_is_no_socket_is_refused_and_kept(tmp_path):
    path = tmp_path / 'precious'
    path.write_text('data')
    with pytest.raises(BindError, match='the file exists and is not a socket'), bound(f'unix:{path}'):
        pass
    assert path.read_text() == 'data'


def test_a_file_put_in_the_place_of_our_socket_is_kept(tmp_path):
    path = tmp_path / 'a.sock'
    with bound(f'unix:{path}'):
        path.unlink()
        path.write_text('mine now')
    assert path.read_text() == 'mine now'


def test_an_inherited_descriptor_is_adopted():
    with socket.create_server(('127.0.0.1', 0)) as given:
        address = given.getsockname()
        with bound(f'fd:{os.dup(given.fileno())}', slots=2) as sockets:
            assert sockets.bound[0].address == address
            assert sockets.part(0, 2) == sockets.part(1, 2)


def test_an_inherited_unix_socket_keeps_its_file(tmp_path):
    path = tmp_path / 'a.sock'
    with socket.socket(socket.AF_UNIX) as given:
        given.bind(str(path))
        given.listen()
        with bound(f'fd:{os.dup(given.fileno())}') as sockets:
            assert sockets.bound[0].address == (str(path), None)
    assert path.exists()


def test_a_descriptor_that_cannot_be_listened_on_is_refused(tmp_path):
    with (
        (tmp_path / 'file').open('w') as file,
        pytest.raises(BindError, match='not a socket'),
        bound(f'fd:{file.fileno()}'),
    ):
        pass
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(BindError, match='not a stream socket'):
        bind_all([Wanted(Bind('fd', fd=sock.fileno()), 128)], 1)
    with socket.socket() as sock, pytest.raises(BindError, match='the socket does not listen'):
        bind_all([Wanted(Bind('fd', fd=sock.fileno()), 128)], 1)


def test_descriptors_meant_for_another_process_are_not_taken(monkeypatch):
    monkeypatch.setenv('LISTEN_PID', str(os.getppid()))
    monkeypatch.setenv('LISTEN_FDS', '1')
    with pytest.raises(BindError, match='handed over no sockets'), bound('systemd'):
        pass


def test_a_socket_of_systemd_that_is_asked_for_later_needs_a_start():
    with bound('127.0.0.1:0') as first:
        wanted = [*first.wanted, Wanted(parse_bind('systemd:web'), 128)]
        with pytest.raises(BindError, match='systemd hands over sockets at a start only; restart the service'):
            bind_all(wanted, 1, first)


def test_the_path_of_a_unix_socket_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with bound(Bind('unix', path=Path('a.sock'))):
        assert (tmp_path / 'a.sock').exists()
    assert not (tmp_path / 'a.sock').exists()


# ── from one generation to the next ──────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def rebound(before, *addresses, slots: int = 1):
    sockets = bind_all([Wanted(parse_bind(address), 128) for address in addresses], slots, before)
    try:
        yield sockets
    finally:
        fresh = sockets.without(before)
        fresh.close()
        fresh.remove_files()


def test_what_is_wanted_again_is_kept_whatever_its_place():
    with bound('127.0.0.1:0', 'localhost:0') as before:
        with rebound(before, 'localhost:0', '[::1]:0', '127.0.0.1:0') as now:
            assert now.bound[-1].sockets == before.bound[0].sockets
            assert [each.listener for each in now.bound][-1] == 2
            assert before.without(now).every() == []
            assert [each.address[0] for each in now.without(before).bound] == ['::1']


def test_a_connection_that_waits_is_there_for_whoever_comes_next():
    with bound('127.0.0.1:0') as before, socket.create_connection(before.bound[0].address):
        with rebound(before, '127.0.0.1:0', slots=3) as now:
            now.bound[0].sockets[0].accept()[0].close()


def test_further_sockets_take_no_connection_before_somebody_listens():
    with bound('127.0.0.1:0') as before, rebound(before, '127.0.0.1:0', slots=4) as now:
        (listener,) = now.bound
        assert len(listener.sockets) == 4
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(socket.create_connection(listener.address))
                listener.sockets[0].accept()[0].close()


def test_sockets_are_never_fewer():
    with bound('127.0.0.1:0', slots=3) as before, rebound(before, '127.0.0.1:0', slots=2) as now:
        assert now.bound[0].sockets == before.bound[0].sockets
        assert sorted(len(now.part(slot, 2).sockets) for slot in range(2)) == [1, 2]


@pytest.mark.skipif(not process_sockets.REUSEPORT_BALANCES, reason='there two sockets cannot share a port')
@pytest.mark.parametrize('slots', [1, 2])
@pytest.mark.parametrize(('old', 'new'), [('127.0.0.1', '0.0.0.0'), ('0.0.0.0', '127.0.0.1'), ('127.0.0.1', '*')])
def test_another_address_takes_over_the_port_of_one_that_is_about_to_go(old, new, slots):
    with bound(f'{old}:0', slots=slots) as before:
        port = before.bound[0].address[1]
        with rebound(before, f'{new}:{port}', slots=slots) as now:
            before.without(now).close()
            connect('127.0.0.1', port)


def test_another_address_does_not_share_the_port_of_one_that_stays():
    with bound('127.0.0.1:0') as before:
        port = before.bound[0].address[1]
        with pytest.raises(BindError), rebound(before, '127.0.0.1:0', f'0.0.0.0:{port}'):
            pass


def test_another_address_does_not_share_the_port_with_another_server():
    with bound('127.0.0.1:0') as before:
        port = before.bound[0].address[1]
        with socket.socket() as other:
            other.bind(('127.0.0.3', port))
            other.listen()
            with pytest.raises(BindError), rebound(before, f'0.0.0.0:{port}'):
                pass
        connect('127.0.0.1', port)


def test_a_listener_that_fails_lets_go_of_what_is_new_and_keeps_the_rest(tmp_path):
    path = tmp_path / 'a.sock'
    with bound('127.0.0.1:0') as before, socket.create_server(('127.0.0.1', 0)) as other:
        taken = f'127.0.0.1:{other.getsockname()[1]}'
        with pytest.raises(BindError), rebound(before, '127.0.0.1:0', f'unix:{path}', taken, slots=2):
            pass
        assert not path.exists()
        connect(*before.bound[0].address)


def test_a_unix_socket_whose_file_is_gone_is_bound_again(tmp_path):
    path = tmp_path / 'a.sock'
    with bound(f'unix:{path}') as before:
        path.unlink()
        with rebound(before, f'unix:{path}') as now:
            assert now.bound[0].sockets != before.bound[0].sockets
            assert path.exists()


@pytest.mark.skipif(sys.platform != 'linux', reason='needs a filter on sockets')
def test_a_socket_that_refuses_more_hands_out_what_waits_and_takes_nobody_new():
    with bound('127.0.0.1:0') as sockets:
        (listener,) = sockets.bound
        # A worker's.
        with listener.sockets[0].dup() as worker, socket.create_connection(listener.address, timeout=20):
            sockets.refuse_more()
            with pytest.raises(TimeoutError):
                socket.create_connection(listener.address, timeout=0.2)
            worker.accept()[0].close()
            with pytest.raises(BlockingIOError):
                worker.accept()


class SomebodysFile(SocketFile):
    """One that an operator has given to somebody else."""

    def set(self, mode, owner):
        raise PermissionError(errno.EPERM, 'Operation not permitted')


def test_a_mode_that_may_not_be_set_is_told_and_no_harm(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(process_sockets.logger, 'propagate', True)
    path = tmp_path / 'a.sock'
    with bound(f'unix:{path}', permissions=0o600) as sockets:
        sockets.bound = [replace(sockets.bound[0], file=SomebodysFile.at(str(path)))]
        sockets.set_permissions()
        assert f'The permissions of {path} stay: operation not permitted' in caplog.text


def connects(address) -> bool:
    try:
        socket.create_connection(address, timeout=0.3).close()
    except TimeoutError:
        return False
    return True


@pytest.mark.skipif(sys.platform != 'linux', reason='newcomers are kept out on Linux only')
def test_a_port_that_was_let_go_is_had_again_while_somebody_holds_it():
    with bound('127.0.0.1:0', slots=2) as before:
        (place,) = before.bound
        lapsed = Lapsed()
        lapsed.take(before.without())
        assert not connects(place.address)
        # As long as a worker holds them, the port is nobody else's.
        lapsed.let_go(set(map(id, place.sockets)))
        wanted = [Wanted(parse_bind('127.0.0.1:0'), 128)]
        now = bind_all(wanted, 3, *lapsed.sockets)
        assert now.bound[0].sockets[:2] == place.sockets
        lapsed.give_back(now)
        # Room for all of them: which socket a connection comes to is chance.
        now.bound[0].sockets[2].listen(128)
        lapsed.let_go(())
        assert all(connects(place.address) for _ in range(20))
        now.close()


def test_what_was_let_go_is_closed_once_nobody_holds_it():
    with bound('127.0.0.1:0', slots=2) as before:
        first, second = before.bound[0].sockets
        lapsed = Lapsed()
        lapsed.take(before.without())
        lapsed.let_go({id(second)})
        assert (first.fileno(), second.fileno() == -1) == (-1, False)
        lapsed.let_go(())
        assert (second.fileno(), lapsed.sockets) == (-1, [])


def test_the_mode_of_a_unix_socket_follows(tmp_path):
    path = tmp_path / 'a.sock'
    with bound(f'unix:{path}', permissions=0o600) as before:
        now = bind_all([Wanted(parse_bind(f'unix:{path}'), 128, 0o660)], 1, before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        now.set_permissions()
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
