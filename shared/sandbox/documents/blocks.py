"""The generated blocks of the README: each a function from the code to Markdown."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from shared.http import SERVICE_OF_ROLE
from shared.lifecycle import FINAL, TABLES, WAITING, Machine, State, Step
from shared.messages import ALL_EDGES
from shared.sandbox.documents.promises import PROMISES

LEAVING: Final = "answers = x.chain.send_raw("
"""The one line that sends signed bytes."""


def flow(_root: Path) -> str:
    """Who tells whom what, over which queue."""
    lines = ["```mermaid", "flowchart LR"]
    lines += [f'    {role}["{service}<br/>{role}"]' for role, service in SERVICE_OF_ROLE.items()]
    lines += [
        '    webhooks(["upstream webhooks"]) -- "POST /" --> intake',
        '    scheduler(["Cloud Scheduler"]) -- "/check-threshold, /sweep" --> batcher',
        '    upstream(["upstream, instant payouts"])',
    ]
    for edge in ALL_EDGES:
        words = ", ".join(message.__name__ for message in edge.messages)
        lines.append(f'    {edge.producer} -- "{words}<br/>{edge.route} · {edge.queue}" --> {edge.consumer}')
    lines += [
        '    batcher -- "opens one order" --> exchange[("ChangeNOW")]',
        '    watcher -- "reads it before it is paid" --> exchange',
        '    conductor -- "asks until it ends" --> exchange',
        '    executor -- "pays, once" --> chain[("Ethereum")]',
        '    conductor -- "finds the USDT" --> chain',
        "```",
    ]
    return "\n".join(lines)


def services(root: Path) -> str:
    """The table of the five services, from the docstrings of their packages."""
    lines = [
        "| Service | Role | Does | Never does | Messages in | Messages out | Tables written |",
        "|---|---|---|---|---|---|---|",
    ]
    for role, service in SERVICE_OF_ROLE.items():
        text = _docstring(root / service / "__init__.py")
        parts = [_part(text, name) for name in ("Does", "Never does", "Messages in", "Messages out")]
        tables = _part(text, "Tables written") or _part(text, "Tables")
        lines.append(f"| `{service}` | {role} | " + " | ".join([*parts, tables]) + " |")
    return "\n".join(lines)


def states(_root: Path) -> str:
    """A diagram and a table per machine, from the transition tables."""
    return "\n\n".join(_machine(machine) for machine in TABLES)


def promises(root: Path) -> str:
    """The promises, each with the tests that try to break it."""
    lines = []
    for number, promise in enumerate(PROMISES, start=1):
        links = ", ".join(_link(root, test) for test in promise.tests)
        lines.append(f"{number}. {promise.text}<br/>{links}")
    return "\n".join(lines)


def leaving(root: Path) -> str:
    """The link to the one line where ETH leaves."""
    places = [
        (path.relative_to(root).as_posix(), number)
        for path in sorted((root / "GCHostPay3").glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if LEAVING in line
    ]
    if len(places) != 1:
        raise ValueError(f"exactly one line sends signed bytes, not {len(places)}")
    [(path, number)] = places
    return f"ETH leaves in exactly one line: [`{path}` line {number}]({path}#L{number})."


BLOCKS: Final[dict[str, Callable[[Path], str]]] = {
    "flow": flow,
    "services": services,
    "states": states,
    "promises": promises,
    "leaving": leaving,
}


def _machine(machine: Machine) -> str:
    table = TABLES[machine]
    steps = [(state, step) for (state, _), step in table.items() if isinstance(step, Step)]
    arrows = sorted({f"    {_name(state)} --> {step.to.value}: {step.event}" for state, step in steps})
    mentioned: list[State] = []
    for state, step in steps:
        mentioned += [known for known in (state, step.to) if known is not None and known not in mentioned]
    ends = [f"    {state.value} --> [*]" for state in mentioned if state in FINAL and not _leaves(state, steps)]
    lines = [f"**{machine.value}**", "", "```mermaid", "stateDiagram-v2", *arrows, *ends, "```", ""]
    lines += ["| State | It waits because | On whom | At most | Then |", "|---|---|---|---|---|"]
    for state in mentioned:
        waiting = WAITING.get(state)
        if waiting is None:
            lines.append(f"| `{state.value}` | final | | | |")
        else:
            cells = (f"`{state.value}`", waiting.why, waiting.on_whom, _span(waiting.at_most), waiting.next_step)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _leaves(state: State, steps: list[tuple[State | None, Step]]) -> bool:
    return any(before is state for before, _ in steps)


def _name(state: State | None) -> str:
    return "[*]" if state is None else state.value


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def _docstring(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if text is None:
        raise ValueError(f"{path} has no docstring")
    return " ".join(text.split())


_PART_NAMES: Final = ("Does", "Never does", "Messages in", "Messages out", "Tables written", "Tables", "Read")


def _part(text: str, name: str) -> str:
    """What stands behind `name:` in a service's docstring, up to the next such name."""
    others = "|".join(map(re.escape, _PART_NAMES))
    found = re.search(rf"(?:^|[.] ){re.escape(name)}: (.*?)(?=[.] (?:{others}): |[.]?$)", text)
    return "" if found is None else found[1].rstrip(".")


def _link(root: Path, test: str) -> str:
    """A link to the test's file: line numbers of tests move with every edit, names do not."""
    path, _, name = test.partition("::")
    if name not in {node.name for node in _functions(ast.parse((root / path).read_text(encoding="utf-8")))}:
        raise ValueError(f"{path} has no test {name}")
    return f"[{name}]({path})"


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
