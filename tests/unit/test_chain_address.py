"""Addresses are checked by EIP-55 without loading a chain library."""

import subprocess
import sys

import pytest

from shared.chain.address import is_address, keccak, same_address, to_checksum

# The examples of EIP-55 itself.
CHECKSUMMED = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("address", CHECKSUMMED)
def test_the_examples_of_eip_55_are_addresses_in_every_honest_spelling(address: str) -> None:
    assert is_address(address)
    for spelling in (address, address.lower(), "0x" + address[2:].upper()):
        assert is_address(spelling)
        assert to_checksum(spelling) == address
        assert same_address(spelling, address)


@pytest.mark.parametrize("address", CHECKSUMMED[4:])
def test_mixed_case_with_a_wrong_checksum_is_refused(address: str) -> None:
    at = next(i for i, c in enumerate(address) if i > 1 and c.isalpha())
    wrong = address[:at] + address[at].swapcase() + address[at + 1 :]
    assert not is_address(wrong)
    assert not same_address(wrong, address)
    with pytest.raises(ValueError, match="checksum"):
        to_checksum(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        CHECKSUMMED[0][2:],
        CHECKSUMMED[0] + "0",
        CHECKSUMMED[0][:-1],
        CHECKSUMMED[0] + "\n",
        " " + CHECKSUMMED[0],
        "0X" + CHECKSUMMED[0][2:],
        "0x" + "g" * 40,
        "0x" + "٠" * 40,
        None,
        42,
        b"0x52908400098527886E0F7030069857D2E4169EE7",
    ],
)
def test_what_is_not_forty_hex_digits_is_no_address(text: object) -> None:
    assert not is_address(text)


def test_nothing_equals_what_is_no_address() -> None:
    assert not same_address("", "")


def test_keccak_is_the_chains_hash_and_not_sha3() -> None:
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_checking_an_address_loads_neither_web3_nor_a_signer() -> None:
    script = (
        "import sys; from shared.chain.address import is_address, to_checksum;"
        f"assert is_address({CHECKSUMMED[4]!r}); to_checksum({CHECKSUMMED[4]!r});"
        "print([name for name in ('web3', 'eth_account', 'requests', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_of_the_room_can_be_fetched() -> None:
    import shared.chain

    for name in shared.chain.__all__:
        assert getattr(shared.chain, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = shared.chain.no_such_name
