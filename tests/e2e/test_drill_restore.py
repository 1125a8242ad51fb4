"""`gcpay drill restore` on the real sandbox: a database is lost after a batch was paid, and nothing is paid twice."""

from __future__ import annotations

from shared.sandbox.drills.restore import LAST_LINE
from tests.e2e.command import run


def test_a_fleet_whose_database_is_set_back_resumes_and_pays_nothing_twice() -> None:
    ended = run("drill", "restore", "--json")
    assert ended.code == 0, ended.err
    told = ended.told
    assert (told["ok"], told["verdict"]) == (True, LAST_LINE)
    assert told["wallet_transactions"] == 1
    assert told["second_batch"] != told["batch_conversion_id"]
    recovery = told["recovery"]
    assert (recovery["resumed"], recovery["unexplained"], recovery["copies"]) == (True, [], 1)
    assert any(told["second_batch"] in done for done in recovery["done"])
    assert len(told["shares"]) == 3
    assert all(int(units) > 0 for units in told["shares"].values())
    assert {told["books"]["eth_unexplained_wei"], told["books"]["eth_sum_wei"]} == {"0"}
    assert {told["books"]["usdt_unexplained"], told["books"]["usdt_sum"]} == {"0.000000"}
    assert [step["at_s"] for step in told["steps"]] == sorted(step["at_s"] for step in told["steps"])
    assert told["stopped_for_s"] < told["seconds"]
