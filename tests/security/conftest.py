"""One house for each module of the suite, and how long the fuzzing may take."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest
import structlog

from tests.conftest import Postgres
from tests.security.house import House, a_house


def pytest_addoption(parser: pytest.Parser) -> None:
    """`./gcpay test tests/security --fuzz-seconds 600` goes on with new seeds for ten minutes a kind."""
    parser.addoption("--fuzz-seconds", type=int, default=0, help="fuzz each target this long, with new seeds")


@pytest.fixture(scope="session")
def fuzz_seconds(request: pytest.FixtureRequest) -> int:
    """0: the fixed seeds only."""
    return int(request.config.getoption("--fuzz-seconds", default=0))


@pytest.fixture(scope="module")
def shared_house(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The five services of one module."""
    with a_house(postgres, tmp_path_factory.mktemp("house")) as running:
        yield running
    # What ends with a process: its log's set-up, and the connections that nobody closes by hand.
    structlog.reset_defaults()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    """The module's services on an empty database."""
    yield shared_house
    shared_house.empty()
