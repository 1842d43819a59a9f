from __future__ import annotations

import importlib.util
import os
import py_compile
from pathlib import Path

from granian.process.reloading.watching import forget_compiled, signatures


def test_signature_tells_every_change_of_a_file(tmp_path):
    path, link = tmp_path / 'a', tmp_path / 'link'
    names = [str(path), str(link)]
    seen = [signatures(names)]

    def changed():
        seen.append(signatures(names))
        return [name for name in names if seen[-1][name] != seen[-2][name]]

    path.write_text('one')
    assert changed() == [str(path)]
    assert changed() == []
    os.utime(path, ns=(0, 0))
    assert changed() == [str(path)]
    other = tmp_path / 'b'
    other.write_text('one')
    os.utime(other, ns=(0, 0))
    other.replace(path)
    assert changed() == [str(path)]
    # A link that leads elsewhere, as in mounted configuration of containers.
    link.symlink_to(path)
    assert changed() == [str(link)]
    path.unlink()
    assert changed() == names


def test_compiled_source_is_forgotten(tmp_path):
    source = tmp_path / 'a.py'
    source.write_text('')
    compiled = Path(py_compile.compile(str(source)) or '')
    assert compiled == Path(importlib.util.cache_from_source(source))
    forget_compiled(str(tmp_path / 'a.txt'))
    assert compiled.exists()
    forget_compiled(str(source))
    forget_compiled(str(source))
    assert not compiled.exists()
