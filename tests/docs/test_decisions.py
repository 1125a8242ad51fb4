"""The decisions are short, listed, and speak of files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "decisions"
INDEX = (FOLDER / "README.md").read_text(encoding="utf-8")
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
PARTS = ("**Context.**", "**Alternatives.**")
PLACE = re.compile(r"`((?:[A-Za-z0-9_.-]+/)+[A-Za-z0-9_.-]+\.[a-z]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_its_parts_and_every_file_that_it_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    number = page.stem[:4]
    assert re.match(rf"# {number} \S", text)
    places = [text.find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)
    missing = [place for place in PLACE.findall(text) if not (ROOT / place).exists()]
    assert missing == []


def test_the_index_lists_every_decision_with_its_title() -> None:
    listed = re.findall(r"^\| \[(\d{4})\]\(([\w-]+\.md)\) \| (.+?) \|$", INDEX, re.MULTILINE)
    titles = [(page.stem[:4], page.name, page.read_text(encoding="utf-8").partition("\n")[0][7:]) for page in PAGES]
    assert listed == titles
    assert len({number for number, _, _ in listed}) == len(listed)


def test_all_decisions_are_read_within_an_hour() -> None:
    words = sum(len(page.read_text(encoding="utf-8").split()) for page in PAGES)
    assert words < 60 * 200
