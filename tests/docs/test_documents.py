"""The README and the OpenAPI file are what the code makes of them, and every link in them leads somewhere."""

import re
from pathlib import Path

import pytest

from shared.lifecycle import FINAL, TABLES, WAITING
from shared.messages import ALL_EDGES
from shared.sandbox.documents import readme_with_blocks, stale_documents
from shared.sandbox.documents.promises import PROMISES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_documents_are_as_the_code_makes_them() -> None:
    assert stale_documents(ROOT) == []


def test_a_changed_block_is_noticed() -> None:
    spoiled = README.replace("| `GCHostPay3` | executor |", "| `GCHostPay3` | cashier |")
    assert spoiled != README
    assert readme_with_blocks(ROOT, spoiled) == README


def test_a_block_that_is_missing_or_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold each block once"):
        readme_with_blocks(ROOT, README.replace("<!-- from the code: flow -->", "<!-- from the code -->"))
    with pytest.raises(ValueError, match="nobody makes"):
        readme_with_blocks(ROOT, README.replace("<!-- from the code: flow -->", "<!-- from the code: nothing -->"))


def test_every_link_of_the_readme_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#L(\d+))?\)", README)
    assert targets
    for path, line in targets:
        assert (ROOT / path).exists(), path
        if line:
            assert int(line) <= len((ROOT / path).read_text(encoding="utf-8").splitlines()), path


def test_every_command_of_the_readme_exists() -> None:
    from shared.ops.cli import gcpay

    verbs = set(re.findall(r"\./gcpay ([a-z]+(?:-[a-z0-9]+)*)", README))
    assert verbs == set(gcpay.commands)


def test_every_folder_of_the_map_exists_and_every_folder_is_on_the_map() -> None:
    table = README.partition("| Folder | What it is |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([A-Za-z0-9_]+(?:/[a-z_]+)?)/?`", table))
    for folder in named:
        if folder[0].isupper() or "/" in folder or folder in ("migrations", "tests"):
            assert (ROOT / folder).is_dir(), folder
    rooms = {f"shared/{path.name}" for path in (ROOT / "shared").iterdir() if (path / "__init__.py").exists()}
    assert rooms <= named


def test_every_promise_has_tests_that_exist() -> None:
    assert len(PROMISES) == 10
    for promise in PROMISES:
        assert promise.tests
        for test in promise.tests:
            path, _, name = test.partition("::")
            assert re.search(rf"^\s*def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test


def test_every_state_and_every_edge_is_in_the_readme() -> None:
    for table in TABLES.values():
        for state, _fact in table:
            assert state is None or state in WAITING or state in FINAL
            assert state is None or f"`{state.value}`" in README
    for edge in ALL_EDGES:
        assert edge.queue in README
