"""The pages that explain the code name what is in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from granian.exchange import Exchange
from granian.protocol import contract

ROOT = Path(__file__).resolve().parents[2]
EXPLANATION = ROOT / 'docs' / 'explanation'


def public(cls):
    names = {name for name in vars(cls) if not name.startswith('_')} | set(getattr(cls, '__annotations__', {}))
    return sorted(name for name in names | set(getattr(cls, '__slots__', ())) if not name.startswith('_'))


@pytest.mark.parametrize('cls', [contract.Engine, contract.EngineEvents, Exchange])
def test_every_public_name_of_the_contract_is_on_its_screen(cls):
    page = (EXPLANATION / 'engine-and-exchange.md').read_text()
    told_by_connection = {'tell_body', 'tell_body_end', 'tell_gone', 'wake', 'carrier', 'started_at_s'}
    missing = [name for name in public(cls) if name not in told_by_connection and not re.search(rf'\b{name}\b', page)]
    assert missing == []


def test_every_part_of_the_package_is_in_the_picture():
    page = (EXPLANATION / 'architecture.md').read_text()
    parts = {path.name for path in (ROOT / 'granian').iterdir() if path.is_dir() and (path / '__init__.py').exists()}
    assert {part for part in parts if f'`{part}/`' not in page} == set()


def test_every_link_between_pages_leads_somewhere():
    pages = [ROOT / 'README.md', *ROOT.glob('docs/**/*.md')]
    broken = [
        f'{page.relative_to(ROOT)}: {target}'
        for page in pages
        for target in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
