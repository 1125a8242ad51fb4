"""The three assets: what they are parsed from, how they are written, and that they never mix."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from shared.money import Ether, MoneyError, Percent, Tether, Usd

ROOT = Path(__file__).resolve().parents[2]
ASSETS = [Usd, Ether, Tether]


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1.43", 1_430_000),
        ("0", 0),
        ("0.000001", 1),
        ("50", 50_000_000),
        ("8e-3", 8_000),
        ("1.5E2", 150_000_000),
        ("1e+2", 100_000_000),
        ("1.4300000000", 1_430_000),
        ("1000000e-6", 1_000_000),
        ("0e60", 0),
        ("0e-60", 0),
    ],
)
def test_a_decimal_text_is_taken_exactly(text: str, micros: int) -> None:
    assert Usd.parse(text) == Usd(micros)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("-1", "must not be negative"),
        ("-0", "must not be negative"),
        ("NaN", "must be a finite number"),
        ("sNaN", "must be a finite number"),
        ("-Infinity", "must be a finite number"),
        ("inf", "must be a finite number"),
        ("1.2345678", "has more digits than the unit's 6 decimals"),
        ("1e-7", "has more digits than the unit's 6 decimals"),
        ("1e400", "is too large"),
        ("1e60", "is too large"),
        ("0e61", "is too large"),
        ("9" * 60, "is too large"),
        ("1e-400", "has an exponent below -60"),
        ("1e" + "9" * 90, "is too large"),
        ("1" * 101, "must not be longer than 100 characters"),
        ("", "must be a decimal number in plain digits"),
        (" 1", "must be a decimal number in plain digits"),
        ("1 ", "must be a decimal number in plain digits"),
        ("1\n", "must be a decimal number in plain digits"),
        ("+1", "must be a decimal number in plain digits"),
        ("01", "must be a decimal number in plain digits"),
        (".5", "must be a decimal number in plain digits"),
        ("5.", "must be a decimal number in plain digits"),
        ("1_000", "must be a decimal number in plain digits"),
        ("1,000", "must be a decimal number in plain digits"),
        ("1.2.3", "must be a decimal number in plain digits"),
        ("0x10", "must be a decimal number in plain digits"),
        ("$5", "must be a decimal number in plain digits"),
        ("1e", "must be a decimal number in plain digits"),
        ("--1", "must be a decimal number in plain digits"),
        ("٣", "must be a decimal number in plain digits"),
        ("１", "must be a decimal number in plain digits"),
        ("1\0", "must be a decimal number in plain digits"),
    ],
)
def test_nonsense_is_refused_with_the_rule_it_breaks(text: str, rule: str) -> None:
    with pytest.raises(MoneyError) as refused:
        Usd.parse(text)
    assert refused.value.rule == rule
    assert str(refused.value) == f"the amount {rule}"


@pytest.mark.parametrize("asset", ASSETS)
@pytest.mark.parametrize("value", [1.5, True, None, 3, b"1", ["1"]])
def test_only_text_is_parsed(asset: type[Usd | Ether | Tether], value: object) -> None:
    with pytest.raises(TypeError):
        asset.parse(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("asset", [*ASSETS, Percent])
@pytest.mark.parametrize("value", [1.0, True, "1", None])
def test_only_whole_numbers_are_amounts(asset: type[Usd | Ether | Tether | Percent], value: object) -> None:
    with pytest.raises(TypeError):
        asset(value)  # type: ignore[arg-type]


def test_digits_beyond_the_unit_are_cut_toward_zero_only_when_asked() -> None:
    assert Usd.parse_cut("1.2345678") == Usd(1_234_567)
    assert Usd.parse_cut("0.0000009") == Usd.zero()
    assert Usd.parse_cut("1e-60") == Usd.zero()
    assert Tether.parse_cut("165.5587919999999999999999") == Tether(165_558_791)
    with pytest.raises(MoneyError):
        Usd.parse_cut("-1.5")
    with pytest.raises(MoneyError):
        Usd.parse_cut("1e-400")


def test_a_minus_sign_is_read_only_when_asked() -> None:
    assert Ether.parse_signed("-0.5") == Ether(-(10**18) // 2)
    assert Ether.parse_signed("-0") == Ether.zero()
    assert Ether.parse_signed("0.5") == Ether(10**18 // 2)


def test_the_largest_amount_has_sixty_digits() -> None:
    assert Usd.parse("9" * 54 + ".999999") == Usd(10**60 - 1)
    with pytest.raises(MoneyError):
        Usd.parse("1" + "0" * 54)


def test_amounts_are_written_in_three_exact_ways() -> None:
    amount = Ether.parse("0.04")
    assert amount.decimal_text() == "0.040000000000000000"
    assert amount.scaled() == "0.040000000000000000 ETH/18"
    assert amount.short_text() == "0.04"
    assert str(amount) == "0.04 ETH"
    assert str(Usd.parse("1.5")) == "1.50 USD"
    assert str(Tether(-1)) == "-0.000001 USDT"
    assert str(Tether.zero()) == "0.00 USDT"
    assert str(Ether(10**18)) == "1 ETH"
    assert Ether(10**18).short_text() == "1"
    assert Usd(-1_500_000).decimal_text() == "-1.500000"
    assert f"{Usd(1_000_000)}" == "1.00 USD"
    assert repr(Usd(7)) == "Usd(7)"


@pytest.mark.parametrize("asset", ASSETS)
def test_an_asset_adds_subtracts_and_compares_with_itself(asset: type[Usd]) -> None:
    assert asset(5) + asset(7) == asset(12)
    assert asset(5) - asset(7) == asset(-2)
    assert -asset(5) == asset(-5)
    assert abs(asset(-5)) == asset(5)
    assert asset.total([asset(1), asset(2), asset(3)]) == asset(6)
    assert asset.total([]) == asset.zero()
    assert sum([asset(1), asset(2)], asset.zero()) == asset(3)
    assert asset(1) < asset(2) <= asset(2)
    assert asset(2) > asset(1) >= asset(1)
    assert max(asset(1), asset(9)) == asset(9)
    assert len({asset(1), asset(1), asset(2)}) == 2
    assert (asset(0).is_zero(), asset(1).is_positive(), asset(-1).is_negative()) == (True, True, True)
    assert (asset(1).is_zero(), asset(0).is_positive(), asset(0).is_negative()) == (False, False, False)


@pytest.mark.parametrize(
    "mix",
    [
        lambda: Usd(1) + Ether(1),  # type: ignore[operator]
        lambda: Usd(1) - Tether(1),  # type: ignore[operator]
        lambda: Usd(1) < Tether(1),  # type: ignore[operator]
        lambda: Ether(1) >= Usd(1),  # type: ignore[operator]
        lambda: Usd(1) + 1,  # type: ignore[operator]
        lambda: 1 + Usd(1),  # type: ignore[operator]
        lambda: Usd(1) > 0,  # type: ignore[operator]
        lambda: Usd(1) * 2,  # type: ignore[operator]
        lambda: Usd(1) / 2,  # type: ignore[operator]
        lambda: Usd.total([Usd(1), Tether(1)]),  # type: ignore[list-item]
        lambda: sum([Usd(1), Usd(2)]),  # type: ignore[list-item]
        lambda: int(Usd(1)),  # type: ignore[call-overload]
        lambda: float(Usd(1)),  # type: ignore[arg-type]
    ],
)
def test_assets_never_mix_with_each_other_or_with_plain_numbers(mix: object) -> None:
    assert callable(mix)
    with pytest.raises(TypeError):
        mix()


def test_equal_counts_of_different_assets_are_not_equal() -> None:
    one_of_each: set[object] = {Usd(1), Ether(1), Tether(1), 1}
    assert len(one_of_each) == 4


@pytest.mark.parametrize("asset", ASSETS)
def test_an_amount_is_neither_true_nor_false(asset: type[Usd | Ether | Tether]) -> None:
    with pytest.raises(TypeError, match="is_zero"):
        bool(asset(0))


def test_an_amount_cannot_be_changed_and_has_no_room_for_more() -> None:
    amount = Usd(1)
    with pytest.raises(AttributeError):
        amount.base_units = 2  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        amount.note = "x"  # type: ignore[attr-defined]
    assert copy.deepcopy(amount) == pickle.loads(pickle.dumps(amount)) == Usd(1)


def test_each_asset_names_its_unit() -> None:
    assert (Usd(7).micros, Ether(7).wei, Tether(7).units) == (7, 7, 7)


def test_a_percentage_has_four_decimals_and_is_never_negative() -> None:
    assert Percent.parse("15") == Percent(150_000)
    assert Percent.parse("2.9") == Percent(29_000)
    assert Percent.parse("0.0001") == Percent(1)
    assert str(Percent.parse("15.00")) == "15 %"
    assert repr(Percent(1)) == "Percent(1)"
    assert Percent(1) < Percent(2)
    for text in ("0.00001", "-1", "15%"):
        with pytest.raises(MoneyError):
            Percent.parse(text)
    with pytest.raises(MoneyError):
        Percent(-1)


MYPY = [sys.executable, "-m", "mypy", "--strict", "--config-file="]
MIX_UPS = """
from shared.money import *
Usd(1) + Ether(1)
Usd(1) - Tether(1)
Usd(1) < Ether(1)
Usd(1) == Ether(1)
Usd(1) + 1
Usd(1.0)
wrong: Usd = Ether(1)
Usd.total([Ether(1)])
share_out(Ether(1), [Usd(1)])
within_band(Usd(1), Ether(1), Percent(1))
Price(1, 8).value(Usd(1))
"""
FINE = """
from shared.money import *
total: Usd = Usd(1) + Usd(2) - Usd.total([Usd(3)])
fee, net = take_fee(Ether(1), Percent(1))
sent: Ether = fee + net
within_band(1, 2, Percent(1)) or within_band(Usd(1), total, Percent(1))
"""


def test_the_type_checker_refuses_every_mix_up_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "mix_ups.py").write_text(MIX_UPS)
    (tmp_path / "fine.py").write_text(FINE)
    checked = subprocess.run(
        [*MYPY, f"--cache-dir={tmp_path}/cache", str(tmp_path / "mix_ups.py"), str(tmp_path / "fine.py")],
        cwd=ROOT,
        env={"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    refused = [line for line in checked.stdout.splitlines() if ": error:" in line]
    places = [line.split(":")[1] for line in refused]
    assert all("mix_ups.py" in line for line in refused), checked.stdout
    assert places == [str(number) for number in range(3, 3 + 11)], checked.stdout + checked.stderr
