from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ('toml', 'fault'),
    [
        ('user = 33', '2:8: server.user: 33 is not text; write it in quotes'),
        ('user = ""', '2:8: server.user: must not be empty'),
        ('group = true', '2:9: server.group: true is not text; write it in quotes'),
        ('umask = "rw"', "2:9: server.umask: 'rw' is not a file mode; write it in octal, like 0o660"),
        ('umask = 0o1777', '2:9: server.umask: 1023 is not between 0o000 and 0o777'),
    ],
)
def test_faults_of_user_group_and_umask(toml, fault, report):
    assert report(f'[server]\n{toml}\n') == f'granian.toml:{fault}\n1 file has faults; nothing was started'


def test_a_umask_is_octal_wherever_it_comes_from(loaded):
    assert loaded('[server]\numask = 0o027\n').config.server.umask == 0o027
    assert loaded(environ={'GRANIAN_SERVER__UMASK': '027'}).config.server.umask == 0o027
