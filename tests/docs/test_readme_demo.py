"""The demo output in the README is what the demo prints, but for what differs from run to run."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

_VARIES = (
    (r"0x[0-9a-fA-F]{64}", "HASH"),
    (r"0x[0-9a-fA-F]{40}", "ADDRESS"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"\border [0-9a-f]{14}\b", "order ID"),
    (r"^ *\d+\.\d s ", "TIME "),
    (r"started in \d+\.\d s", "started in TIME"),
    (r"in block \d+", "in block N"),
    (r"gas 0\.\d+ ETH", "gas GAS ETH"),
)


def test_the_demo_in_the_readme_is_what_the_demo_prints() -> None:
    shown = README.partition("<!-- demo -->\n```text\n")[2].partition("```\n")[0]
    run = subprocess.run([ROOT / "gcpay", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stderr
    assert "\x1b" not in run.stdout, "readable in a pipe: no escape codes"
    assert len(shown.splitlines()) >= 20
    assert _story(shown) == _story(run.stdout)


def _story(output: str) -> list[str]:
    """The lines without what varies. What polls of the exchange and the chain happen to see on the way is left out."""
    lines = []
    for line in output.splitlines():
        told = line.rstrip()
        for pattern, word in _VARIES:
            told = re.sub(pattern, word, told)
        if told and not re.match(r"TIME (exchange|chain) ", told):
            lines.append(told)
    return lines
