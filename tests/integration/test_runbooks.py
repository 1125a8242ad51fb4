"""Every page of the runbooks, tried on a fleet in which its trouble really stands. Pages rehearse."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from shared.alerts import ALERT_KINDS, RUNBOOK_FOLDER
from shared.db import Database
from shared.db.roles import INTAKE, OPERATOR
from shared.lifecycle.reactions import Broken, Reaction, Refused, TryLater, Unknown
from shared.ops.cli import gcpay
from shared.ops.exits import Exit, Leave
from tests.conftest import Postgres
from tests.integration.alert_scenes import SCENES
from tests.integration.intake_world import IntakeWorld
from tests.integration.operations_world import Operations

FOLDER = Path(__file__).parents[2] / RUNBOOK_FOLDER
INDEXES = {"README", "alerts"}
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md") if path.stem not in INDEXES}
SECTIONS = ["What it means", "What to look at", "What to do", "Never", "Over when"]
CLASSES = {Refused: "refused", TryLater: "try-later", Unknown: "unknown", Broken: "broken"}
BLOCK = re.compile(r"^```sh( chain)?\n(.+?)\n```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One command of a page, and what the page says of it."""

    words: list[str]
    exit_code: int
    prints: list[str]
    needs_the_chain: bool


def commands_of(text: str, names: Mapping[str, str]) -> Iterator[Command]:
    for needs_the_chain, block in BLOCK.findall(text):
        command, *said = re.sub(r"\b[A-Z_]{3,}\b", lambda word: names.get(word[0], word[0]), block).splitlines()
        lines = [line.removeprefix("# ") for line in said]
        codes = [int(line.removeprefix("exit ")) for line in lines if line.startswith("exit ")]
        prints = [line for line in lines if not line.startswith("exit ")]
        yield Command(shlex.split(command), codes[0] if codes else 0, prints, bool(needs_the_chain))


def scene_of(page: str) -> str:
    """The scene on which a page is tried: its own, or the one that it names."""
    named = re.search(r"^<!-- tried on: (\w+) -->$", PAGES[page], re.MULTILINE)
    return page if named is None else named[1]


@pytest.fixture
def world(
    reused_database: Database,
    reused_database_as: Callable[[str], Database],
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Operations, IntakeWorld]:
    """A fleet, its intake, and an environment that names its database as an operator's does."""
    with reused_database.read() as conn:
        (row,) = conn.all("select current_database()::text as name")
    for name, value in {
        "DATABASE_HOST": str(postgres.server.host),
        "DATABASE_PORT": str(postgres.server.port),
        "DATABASE_NAME_SECRET": row["name"],
        "DATABASE_USER_SECRET": OPERATOR,
    }.items():
        monkeypatch.setenv(name, value)
    intake = IntakeWorld.of(reused_database, reused_database_as(INTAKE))
    return Operations.of(reused_database, reused_database_as), intake


@pytest.mark.parametrize("page", sorted(PAGES))
def test_the_commands_of_a_page_do_what_it_says_while_its_trouble_stands(
    page: str, world: tuple[Operations, IntakeWorld]
) -> None:
    fleet, intake = world
    scene = scene_of(page)
    names = {"YOU": "Ada", "TX_HASH": "0x" + "ab" * 32, **SCENES[scene](fleet, intake)}
    raised = fleet.fleet.batcher.rows("select kind, runbook from alert")
    assert {"kind": scene, "runbook": ALERT_KINDS[scene].runbook} in raised
    before = fleet.everything()
    commands = list(commands_of(PAGES[page], names))
    assert commands
    for command in commands:
        assert command.words[0] == "./gcpay"
        assert "--yes" not in command.words, "a page rehearses"
        if command.needs_the_chain:
            is_well_formed(command.words[1:])
            continue
        code, printed = ran(command.words[1:])
        assert code == command.exit_code, (command.words, printed)
        for line in command.prints:
            assert line in printed, (command.words, line, printed)
    assert fleet.everything() == before, "nothing was changed"


def ran(words: list[str]) -> tuple[int, str]:
    """The exit code and everything that a person sees; as `main` of the command line translates it."""
    ended = CliRunner().invoke(gcpay, words)
    match ended.exception:
        case None | SystemExit():
            return ended.exit_code, ended.output
        case Leave() as leaving:
            return int(leaving.code), leaving.sentence
        case Refused() as refused:
            return int(Exit.USAGE), refused.message
        case other:
            raise other


def is_well_formed(words: list[str]) -> None:
    """The verb and its options exist; it is not run."""
    command: click.Command = gcpay
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
        if isinstance(command, click.Group) and not words:
            return
    command.make_context("gcpay", words)


def test_there_is_a_page_and_a_scene_for_every_alert_and_every_class_of_error() -> None:
    slugs = {kind.runbook for kind in raised_errors() if kind.runbook is not None}
    expected = set(ALERT_KINDS) | set(CLASSES.values()) | {"exit-codes"} | {str(slug) for slug in slugs}
    assert set(PAGES) == expected
    assert set(SCENES) == set(ALERT_KINDS)
    for kind in ALERT_KINDS.values():
        assert (FOLDER.parents[1] / kind.runbook).is_file()


def raised_errors() -> set[type[Reaction]]:
    """Every error class of the services that is known here: the scenes import all that have a page."""
    found: set[type[Reaction]] = set()
    waiting: list[type[Reaction]] = [Reaction]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting += kind.__subclasses__()
    return {kind for kind in found if not kind.__module__.startswith("tests.")}


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_says_first_whether_money_is_at_risk_and_has_its_five_sections(page: str) -> None:
    first, _, rest = PAGES[page].partition("\n")
    assert re.fullmatch(r"\*\*Money at risk: .+\*\*", first)
    assert re.findall(r"^## (.+)$", rest, re.MULTILINE) == SECTIONS
    for link in re.findall(r"\]\(([^)#]+)\)", rest):
        assert (FOLDER / link).is_file(), link


def test_the_indexes_name_every_page_with_its_first_line() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    alerts = (FOLDER / "alerts.md").read_text(encoding="utf-8")
    for page, text in PAGES.items():
        risk = text.partition("\n")[0].removeprefix("**Money at risk: ").removesuffix("**")
        assert f"| [{page}]({page}.md) | {risk} |" in index
        if page in ALERT_KINDS:
            assert f"## {page}\n\nMoney at risk: {risk} What to do: [{page}]({page}.md)." in alerts
    assert re.findall(r"^## (\w+)$", alerts, re.MULTILINE) == list(ALERT_KINDS)
    assert re.findall(r"^\| \[(\w+)\]", index, re.MULTILINE)[: len(ALERT_KINDS)] == list(ALERT_KINDS)


def test_a_stale_command_fails() -> None:
    page = "```sh\n./gcpay explain REQUEST\n# exit 1\n# a line\n```\n\n```sh chain\n./gcpay books check\n```"
    told, checked = commands_of(page, {"REQUEST": "batch_7"})
    assert (told.words, told.exit_code, told.prints) == (["./gcpay", "explain", "batch_7"], 1, ["a line"])
    assert checked.needs_the_chain
    is_well_formed(checked.words[1:])
    with pytest.raises(KeyError):
        is_well_formed(["dance"])
    with pytest.raises(click.UsageError):
        is_well_formed(["books", "check", "--slowly"])
