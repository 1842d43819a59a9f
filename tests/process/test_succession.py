"""What one supervisor leaves to the next in its environment."""

from __future__ import annotations

import json
import os

from granian.process.reloading.succession import VARIABLE, Predecessor


def test_who_is_nobodys_successor_takes_nothing():
    assert Predecessor.from_environment({}) is None


def test_what_was_meant_for_another_process_is_taken_out_and_not_used():
    # Of a parent's parent, say, whose other child kept the variable.
    environment = {VARIABLE: json.dumps({'pid': os.getpid()}), 'HOME': '/'}
    assert Predecessor.from_environment(environment) is None
    assert environment == {'HOME': '/'}
