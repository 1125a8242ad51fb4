"""`gcpay verify-proof` on stored rows: an honest verdict is proved again, and whatever was changed since is found."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared.chain.proof import check_online
from shared.db import Database
from shared.db.roles import EXECUTOR, OPERATOR
from shared.messages import PayOrder
from shared.ops.exits import Exit, Leave
from shared.ops.proof_report import _as_json, _lines, check, read_verdict
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.executor_world import SOME_ETH, WALLET_ETH, World


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


def settled(world: World) -> PayOrder:
    order = world.a_payable_order()
    world.pay(order)
    world.run_to_the_end()
    assert world.state(order) == "settled"
    return order


def test_the_proof_of_a_settled_transfer_holds_with_an_operators_rights(
    world: World, database_as: Callable[[str], Database]
) -> None:
    order = settled(world)
    with database_as(OPERATOR).read() as conn:
        verdict = read_verdict(conn, order.unique_id)
    checked = check(verdict, [])
    assert checked.offline == []
    assert check_online(world.chain, verdict.evidence, chain_id=CHAIN_ID) == []
    assert _lines(checked)[-1] == "The proof holds."
    told = json.loads(json.dumps(_as_json(checked)))
    assert (told["ok"], told["outcome"], told["amount_wei"]) == (True, "settled", str(SOME_ETH.wei))
    assert told["agreed_providers"] == ["fake:1", "fake:2"]


@pytest.mark.parametrize(
    ("tampered", "said"),
    [
        ("update exchange_order set amount_wei = amount_wei + 1", "the order is"),
        ("update exchange_order set payin_address = '0x90f79bf6eb2c4f870365e785982e1f101e93b906'", "the order is"),
        ("update attempt set raw = set_byte(raw, 40, get_byte(raw, 40) # 1)", ""),
        ("update slot set outcome = 'reverted'", "the verdict is reverted"),
        ("""update slot set evidence = evidence || '{"value_wei": "1"}'""", "carries 1 wei"),
        ("update slot set evidence = evidence - 'receipt'", "receipt"),
        ("update slot set evidence = evidence - 'agreed_providers'", ""),
    ],
    ids=["amount", "address", "bytes", "outcome", "value", "no_receipt", "no_providers"],
)
def test_whatever_was_changed_afterwards_is_a_fault(world: World, tampered: str, said: str) -> None:
    order = settled(world)
    world.write(tampered)
    with world.owner.read() as conn:
        checked = check(read_verdict(conn, order.unique_id), [])
    assert not checked.holds
    assert any(said in fault for fault in checked.offline)
    assert _lines(checked)[-1] == "The proof does NOT hold."


def test_a_node_that_does_not_answer_proves_nothing(world: World) -> None:
    order = settled(world)
    with world.owner.read() as conn:
        checked = check(read_verdict(conn, order.cn_api_id), ["http://key@127.0.0.1:1/secret"])
    assert list(checked.online) == ["127.0.0.1:1"]
    assert not checked.holds
    assert "secret" not in "\n".join(_lines(checked))


def test_what_has_no_verdict_is_said_in_one_sentence(world: World) -> None:
    order = world.a_payable_order()
    with world.owner.read() as conn, pytest.raises(Leave) as unknown:
        read_verdict(conn, "nothing")
    assert unknown.value.code is Exit.USAGE
    world.pay(order)
    with world.owner.read() as conn, pytest.raises(Leave, match="never had a nonce") as waiting:
        read_verdict(conn, order.unique_id)
    assert waiting.value.code is Exit.NO
    world.settle_down()
    with world.owner.read() as conn, pytest.raises(Leave, match="no verdict yet"):
        read_verdict(conn, order.unique_id)
