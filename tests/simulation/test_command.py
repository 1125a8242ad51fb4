"""`gcpay sim` as a person and a program meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def gcpay_sim(*arguments: str, code: int = 0) -> str:
    """What the verb prints to standard output; its exit code must be `code`."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "shared.ops.cli", "sim", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def test_many_seeds_end_with_figures_for_a_program() -> None:
    told = json.loads(gcpay_sim("--seeds", "24", "--json"))
    assert told["per_second"] > 0
    del told["per_second"]
    assert told == {"histories": 24, "violations": 0, "unsettled": 0, "failures": []}


def test_one_seed_tells_its_story_the_same_way_every_time_and_everywhere() -> None:
    """The stored text was told by another machine. Who changes what is told looks at the difference and stores it
    anew: ./gcpay sim --seed 11 > tests/simulation/story_of_seed_11.txt
    """
    first, second = gcpay_sim("--seed", "11"), gcpay_sim("--seed", "11")
    assert first == second
    assert first == (ROOT / "tests" / "simulation" / "story_of_seed_11.txt").read_text(encoding="utf-8")
    assert first.startswith("00:00:00  seed 11: ")
    assert first.endswith("everything held, everything settled\n")
