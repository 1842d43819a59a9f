from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from granian.config.model import Config
from granian.errors import ConfigurationError
from granian.process import privileges
from granian.process.plan import sections
from granian.process.plan.check import check
from granian.process.privileges import Identity, Umask, identity

BECOME = """
import json, os, sys
from granian.process.privileges import Identity, become
become(Identity(*json.loads(sys.argv[1])))
found = [os.getresuid(), os.getresgid(), os.getgroups()]
try:
    os.setuid(0)
except PermissionError:
    found.append('for good')
print(json.dumps(found))
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root may become somebody else')


@as_root
@pytest.mark.parametrize(('wanted', 'groups'), [((65534, 65534, 'nobody'), [65534]), ((12345, 23456, ''), [23456])])
def test_becoming_somebody_has_no_way_back(wanted, groups):
    done = subprocess.run(
        [sys.executable, '-c', BECOME, json.dumps(wanted)], capture_output=True, text=True, check=True
    )
    uid, gid, _ = wanted
    assert json.loads(done.stdout) == [[uid] * 3, [gid] * 3, groups, 'for good']


@as_root
def test_names_and_numbers():
    nobody, root = identity('nobody', None), identity(None, None)
    assert nobody is not None
    assert (nobody.uid, nobody.name) == (65534, 'nobody')
    assert identity(str(nobody.uid), None) == nobody
    assert identity('nobody', '0') == Identity(nobody.uid, 0, 'nobody')
    assert identity('12345', '7') == Identity(12345, 7, '')
    assert identity(None, 'root') == Identity(0, 0, '')
    assert root is None


@pytest.mark.parametrize(
    ('user', 'group', 'said'),
    [
        ('no-such-user', None, "server.user: there is no user 'no-such-user'"),
        ('root', 'no-such-group', "server.group: there is no group 'no-such-group'"),
        ('54321', None, 'server.user: 54321 has no name here, and so no group; give server.group too'),
    ],
)
def test_who_is_not_there(user, group, said):
    with pytest.raises(ConfigurationError, match='^' + said):
        identity(user, group)


def test_only_root_may_change(monkeypatch):
    monkeypatch.setattr(privileges.os, 'geteuid', lambda: 54321)
    monkeypatch.setattr(privileges.os, 'getegid', lambda: 54321)
    with pytest.raises(ConfigurationError, match=r'^server\.user: only root may change to nobody; start as root'):
        identity('nobody', None)
    with pytest.raises(ConfigurationError, match=r'^server\.group: only root may change to root'):
        identity(None, 'root')
    assert identity('54321', '54321') == Identity(54321, 54321, '')


def test_check_tells_of_it():
    assert check(Config.model_validate({'server': {'user': 'no-such-user'}})) == [
        "server.user: there is no user 'no-such-user'"
    ]


@as_root
def test_plan_says_who_the_workers_are_and_whose_the_sockets():
    config = Config.model_validate({'server': {'user': 'nobody', 'umask': '0o027'}})
    plan = sections.plan(config, 'asyncio', sections.log_settings(config))
    assert plan.worker.identity == plan.wanted[0].owner == identity('nobody', None)
    assert plan.umask == 0o027


def test_umask_is_given_back():
    before = os.umask(0o022)
    umask = Umask()
    umask.set(0o027)
    inside = os.umask(0o027)
    umask.set(None)
    assert (inside, os.umask(before)) == (0o027, 0o022)
