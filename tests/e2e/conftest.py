"""One running fleet per test process, started by the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.money import Usd
from shared.sandbox.fleet import Fleet, FleetOptions


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The five services and their world, set as in production but for the pace. Only the sweeps tick by themselves."""
    options = FleetOptions(logs=tmp_path_factory.mktemp("fleet"), threshold=Usd.parse("20"))
    with Fleet.start(options) as running:
        yield running
