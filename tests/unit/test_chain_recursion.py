"""Loading the chain room leaves the process able to refuse endless nesting instead of dying of it."""

import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
{imports}
try:
    json.loads("[" * 60_000)
except RecursionError:
    print("refused", sys.getrecursionlimit())
"""


@pytest.mark.parametrize(
    "imports",
    [
        "from shared.chain import EthereumChain",
        "from shared.chain import LocalSigner",
        "from shared.chain import LocalSigner, EthereumChain",
    ],
)
def test_endless_nesting_is_an_error_and_not_the_end_of_the_process(imports: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(imports=imports)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused 1000\n"


def test_a_limit_that_somebody_chose_is_left_alone() -> None:
    script = "import sys; sys.setrecursionlimit(2_500)\nfrom shared.chain.recursion import restore_recursion_limit\n"
    script += "restore_recursion_limit(); print(sys.getrecursionlimit())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "2500\n"
