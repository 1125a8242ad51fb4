"""The archive of signed bytes: the same suite on files, on a bucket, and on the fake that tests use."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.archive import (
    ArchiveBroken,
    ArchivedAttempt,
    ArchivedBatch,
    ArchivedMember,
    ArchivedOrder,
    ArchiveSettings,
    ArchiveUnavailable,
    BucketLines,
    FileLines,
    HashChainedArchive,
    LineStore,
    archive_at,
)
from shared.archive.google_bucket import GoogleBucket
from shared.chain import LocalSigner, TransferFields
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_archive import FakeBucket, MemoryLines

WALLET = HOST_WALLET.address
DEPOSIT = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
SIGNER = LocalSigner(HOST_WALLET.private_key)
LOG = f"{CHAIN_ID}-{WALLET.lower()}"


def an_attempt(nonce: int = 0, seq: int = 1, *, members: int = 2, value_wei: int = 10**16) -> ArchivedAttempt:
    fields = TransferFields(CHAIN_ID, nonce, DEPOSIT, value_wei, 26_250, 10**9, (20 + seq) * 10**9)
    signed = SIGNER.sign(fields)
    order = ArchivedOrder(
        context="batch",
        attempt_no=1,
        from_currency="eth",
        from_network="eth",
        to_currency="usdt",
        to_network="eth",
        amount_wei=value_wei,
        payout_address=WALLET,
        refund_address=None,
        cn_api_id=f"order{nonce}",
        payin_address=DEPOSIT.lower(),
        expected_to_text="97.1",
        key_alias="primary",
    )
    batch = ArchivedBatch(
        batch_conversion_id=f"00000000-0000-4000-8000-{nonce:012d}",
        funding="received",
        total_pending_usd_micros=100_000_000,
        threshold_usd_micros=80_000_000,
        members_wei=value_wei,
        dust_in_wei=0,
        ordered_wei=value_wei,
        dust_out_wei=0,
        expected_usdt_units=97_000_000,
        feed_answer=2_500 * 10**8,
        feed_decimals=8,
        members=tuple(ArchivedMember(f"ref-{nonce}-{one}", 50_000_000, value_wei // members) for one in range(members)),
    )
    return ArchivedAttempt(
        account=WALLET,
        chain_id=CHAIN_ID,
        nonce=nonce,
        seq=seq,
        kind="pay",
        unique_id=f"batch_{batch.batch_conversion_id}",
        to=DEPOSIT,
        value_wei=value_wei,
        raw=signed.raw,
        tx_hash=signed.hash,
        gas_limit=26_250,
        tip_wei=10**9,
        cap_wei=(20 + seq) * 10**9,
        reserved_under=17,
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        order=order,
        batch=batch,
    )


@dataclass
class Place:
    """One place to keep copies in, and how somebody would tamper with it."""

    open: Callable[[], LineStore]
    lines: Callable[[], list[bytes]]
    write: Callable[[list[bytes]], None]

    def archive(self) -> HashChainedArchive:
        return HashChainedArchive(self.open())


def in_a_file(folder: Path) -> Place:
    path = folder / "copies" / f"{LOG}.jsonl"
    return Place(
        lambda: FileLines(folder / "copies"),
        lambda: path.read_bytes().splitlines(),
        lambda lines: void(path.write_bytes(b"".join(line + b"\n" for line in lines))),
    )


def in_a_bucket() -> Place:
    bucket = FakeBucket()

    def write(lines: list[bytes]) -> None:
        bucket.objects = {f"kept/{LOG}/{number:012d}.json": line for number, line in enumerate(lines, start=1)}

    return Place(
        lambda: BucketLines(bucket, "kept"), lambda: [bucket.objects[name] for name in sorted(bucket.objects)], write
    )


def in_memory() -> Place:
    memory = MemoryLines()
    return Place(lambda: memory, lambda: memory.logs[LOG], lambda lines: memory.logs.update({LOG: lines}))


def void(_: object) -> None:
    return None


@pytest.fixture(params=["file", "bucket", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    match request.param:
        case "file":
            return in_a_file(tmp_path)
        case "bucket":
            return in_a_bucket()
        case _:
            return in_memory()


def keep(archive: HashChainedArchive, *attempts: ArchivedAttempt) -> None:
    known = None
    for attempt in attempts:
        known = archive.keep(attempt, known)


def test_a_copy_comes_back_as_it_was_kept_also_by_another_process(place: Place) -> None:
    kept = [an_attempt(0), an_attempt(0, 2), an_attempt(1, members=1)]
    keep(place.archive(), *kept)
    assert list(place.archive().read(WALLET.lower(), CHAIN_ID)) == kept


def test_an_archive_that_nobody_wrote_to_is_empty(place: Place) -> None:
    assert list(place.archive().read(WALLET, CHAIN_ID)) == []
    assert list(place.archive().after(WALLET, CHAIN_ID, None)) == []


def test_the_same_bytes_are_kept_once(place: Place) -> None:
    archive = place.archive()
    first = archive.keep(an_attempt(0), None)
    assert archive.keep(an_attempt(0), None) == first
    assert place.archive().keep(an_attempt(0), None) == first
    assert len(place.lines()) == 1


def test_what_is_after_a_known_place_is_told_without_the_rest(place: Place) -> None:
    archive = place.archive()
    first = archive.keep(an_attempt(0), None)
    second = archive.keep(an_attempt(1), first)
    third = archive.keep(an_attempt(2), first)
    assert [head.number for head in (first, second, third)] == [1, 2, 3]
    assert list(archive.after(WALLET, CHAIN_ID, first)) == [second, third]
    assert list(archive.after(WALLET, CHAIN_ID, third)) == []
    assert list(archive.after(WALLET, CHAIN_ID, None)) == [first, second, third]


def test_copies_of_another_chain_or_account_are_not_seen(place: Place) -> None:
    keep(place.archive(), an_attempt(0))
    assert list(place.archive().read(WALLET, CHAIN_ID + 1)) == []
    assert list(place.archive().after(DEPOSIT, CHAIN_ID, None)) == []


def test_many_writers_at_once_lose_no_copy(place: Place) -> None:
    attempts = [an_attempt(nonce, members=1) for nonce in range(12)]
    barrier = threading.Barrier(4)

    def write(mine: list[ArchivedAttempt]) -> None:
        archive = place.archive()
        barrier.wait()
        for attempt in mine:
            archive.keep(attempt, None)

    threads = [threading.Thread(target=write, args=(attempts[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = place.archive().read(WALLET, CHAIN_ID)
    assert sorted(copy.nonce for copy in kept) == list(range(12))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_changed_copy_is_noticed(place: Place, at: int) -> None:
    keep(place.archive(), an_attempt(0), an_attempt(1), an_attempt(2))
    lines = place.lines()
    place.write([line.replace(b"ref-", b"rfe-") if number == at else line for number, line in enumerate(lines)])
    with pytest.raises(ArchiveBroken):
        place.archive().read(WALLET, CHAIN_ID)
    with pytest.raises(ArchiveBroken):
        place.archive().after(WALLET, CHAIN_ID, None)


def test_a_copy_that_was_taken_out_or_put_elsewhere_is_noticed(place: Place) -> None:
    keep(place.archive(), an_attempt(0), an_attempt(1), an_attempt(2))
    first, second, third = place.lines()
    for others in ([first, third], [second, third], [first, third, second], [first, first, second, third]):
        place.write(others)
        with pytest.raises(ArchiveBroken):
            place.archive().read(WALLET, CHAIN_ID)


def test_copies_that_are_missing_at_the_end_are_noticed_by_the_place_that_is_remembered(place: Place) -> None:
    archive = place.archive()
    first = archive.keep(an_attempt(0), None)
    last = archive.keep(an_attempt(1), first)
    place.write(place.lines()[:1])
    assert len(place.archive().read(WALLET, CHAIN_ID)) == 1
    with pytest.raises(ArchiveBroken, match="shorter"):
        place.archive().after(WALLET, CHAIN_ID, last)
    with pytest.raises(ArchiveBroken, match="shorter"):
        place.archive().keep(an_attempt(2), last)


def test_an_archive_that_was_written_anew_is_noticed_by_the_hash_that_is_remembered(place: Place) -> None:
    known = place.archive().keep(an_attempt(0), None)
    other = in_memory()
    keep(other.archive(), an_attempt(0, value_wei=10**17))
    place.write(other.lines())
    assert len(place.archive().read(WALLET, CHAIN_ID)) == 1
    with pytest.raises(ArchiveBroken, match="another one"):
        place.archive().after(WALLET, CHAIN_ID, known)


def test_a_copy_whose_bytes_say_something_else_is_neither_kept_nor_read(place: Place) -> None:
    good = an_attempt(0)
    for wrong in (
        replace(good, value_wei=1),
        replace(good, nonce=1),
        replace(good, to=WALLET),
        replace(good, tx_hash="0x" + "1" * 64),
        replace(good, account=DEPOSIT),
        replace(good, raw=good.raw[:-1]),
        replace(good, kind="cancel"),
        replace(good, order=replace(good.order, amount_wei=1)),
        replace(good, order=replace(good.order, payin_address=WALLET)),
    ):
        with pytest.raises(ArchiveBroken):
            place.archive().keep(wrong, None)
        with pytest.raises(ArchiveBroken):
            ArchivedAttempt.from_json(wrong.to_json())
    assert list(place.archive().read(WALLET, CHAIN_ID)) == []


def test_a_copy_of_another_version_or_shape_is_refused() -> None:
    parts = json.loads(an_attempt(0).to_json())
    wrongs: list[object] = [
        parts | {"version": 2},
        parts | {"more": 1},
        parts | {"order": {}},
        parts | {"nonce": 1.5},
        [],
    ]
    for wrong in wrongs:
        with pytest.raises(ArchiveBroken):
            ArchivedAttempt.from_json(json.dumps(wrong))


# --- files ------------------------------------------------------------------------------------------------------------


def test_what_a_dead_writer_left_half_written_was_never_kept_and_is_overwritten(tmp_path: Path) -> None:
    place = in_a_file(tmp_path)
    first = place.archive().keep(an_attempt(0), None)
    path = tmp_path / "copies" / f"{LOG}.jsonl"
    with path.open("ab") as opened:
        opened.write(b'{"number":2,"prev')
    assert len(place.archive().read(WALLET, CHAIN_ID)) == 1
    assert place.archive().keep(an_attempt(1), first).number == 2
    assert [copy.nonce for copy in place.archive().read(WALLET, CHAIN_ID)] == [0, 1]


def test_a_file_with_only_half_a_copy_is_empty(tmp_path: Path) -> None:
    place = in_a_file(tmp_path)
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / f"{LOG}.jsonl").write_bytes(b'{"number":1,')
    assert list(place.archive().read(WALLET, CHAIN_ID)) == []
    assert place.archive().keep(an_attempt(0), None).number == 1


def test_copies_that_are_longer_than_one_look_at_the_end_are_read(tmp_path: Path) -> None:
    place = in_a_file(tmp_path)
    attempts = [an_attempt(nonce, members=900) for nonce in range(5)]
    keep(place.archive(), *attempts)
    assert list(place.archive().read(WALLET, CHAIN_ID)) == attempts
    known = place.archive().after(WALLET, CHAIN_ID, None)[1]
    assert [head.number for head in place.archive().after(WALLET, CHAIN_ID, known)] == [3, 4, 5]


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    in_a_file(tmp_path).archive().keep(an_attempt(0), None)
    assert (tmp_path / "copies" / f"{LOG}.jsonl").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_is_a_reason_to_wait(tmp_path: Path) -> None:
    (tmp_path / "copies").write_text("this is no folder")
    with pytest.raises(ArchiveUnavailable):
        in_a_file(tmp_path).archive().keep(an_attempt(0), None)


# --- the bucket -------------------------------------------------------------------------------------------------------


def test_an_object_that_was_made_although_its_answer_was_lost_is_found_again() -> None:
    bucket = FakeBucket()
    archive = HashChainedArchive(BucketLines(bucket))
    bucket.lose_answers = True
    with pytest.raises(ArchiveUnavailable):
        archive.keep(an_attempt(0), None)
    bucket.lose_answers = False
    assert archive.keep(an_attempt(0), None).number == 1
    assert len(bucket.objects) == 1


def test_a_bucket_that_is_away_is_a_reason_to_wait() -> None:
    bucket = FakeBucket()
    bucket.away = True
    with pytest.raises(ArchiveUnavailable):
        HashChainedArchive(BucketLines(bucket)).after(WALLET, CHAIN_ID, None)


@dataclass
class _Answer:
    status_code: int
    body: Any = None
    content: bytes = b""

    def json(self) -> Any:
        return self.body


class _Session:
    """Cloud Storage's JSON API as far as it is used, two names a page."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.answers: list[_Answer | Exception] = []

    def request(self, method: str, url: str, *, params: dict[str, str], timeout: int, **given: Any) -> _Answer:
        assert timeout == 10
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if method == "POST":
            assert url == "https://storage.example/upload/storage/v1/b/a-bucket/o"
            assert (params["uploadType"], params["ifGenerationMatch"]) == ("media", "0")
            if params["name"] in self.objects:
                return _Answer(412)
            self.objects[params["name"]] = given["data"]
            return _Answer(200, {})
        if "alt" in params:
            name = url.removeprefix("https://storage.example/storage/v1/b/a-bucket/o/").replace("%2F", "/")
            return _Answer(200, None, self.objects[name])
        assert url == "https://storage.example/storage/v1/b/a-bucket/o"
        start = params.get("pageToken", params["startOffset"])
        names = sorted(name for name in self.objects if name.startswith(params["prefix"]) and name >= start)
        page: dict[str, Any] = {"items": [{"name": name} for name in names[:2]]} if names else {}
        return _Answer(200, page | ({"nextPageToken": names[2]} if names[2:] else {}))


def test_cloud_storage_is_spoken_to_as_its_documentation_says() -> None:
    session = _Session()
    archive = HashChainedArchive(BucketLines(GoogleBucket("a-bucket", session, "https://storage.example"), "kept/"))
    keep(archive, *(an_attempt(nonce) for nonce in range(5)))
    assert [copy.nonce for copy in archive.read(WALLET, CHAIN_ID)] == [0, 1, 2, 3, 4]
    assert min(session.objects) == f"kept/{LOG}/000000000001.json"
    assert GoogleBucket("a-bucket", session, "https://storage.example").create(min(session.objects), b"other") is False


@pytest.mark.parametrize("trouble", [_Answer(503), _Answer(403), ConnectionError("reset"), TimeoutError()])
def test_cloud_storage_that_does_not_answer_well_is_a_reason_to_wait(trouble: _Answer | Exception) -> None:
    session = _Session()
    bucket = GoogleBucket("a-bucket", session, "https://storage.example")
    for ask in (
        lambda: bucket.create("one", b""),
        lambda: bucket.names_from("", ""),
        lambda: bucket.read("one"),
    ):
        session.answers = [trouble]
        with pytest.raises(ArchiveUnavailable):
            ask()


# --- the setting ------------------------------------------------------------------------------------------------------


def test_the_setting_chooses_the_place(tmp_path: Path) -> None:
    place = archive_at(str(tmp_path / "copies"))
    place.keep(an_attempt(0), None)
    assert len(archive_at(f"file://{tmp_path}/copies").read(WALLET, CHAIN_ID)) == 1
    assert isinstance(archive_at("gs://a-bucket/kept"), HashChainedArchive)


@pytest.mark.parametrize("wrong", ["", "copies", "gs://", "./copies"])
def test_a_setting_that_names_no_place_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="must"):
        ArchiveSettings(signed_bytes_archive=wrong)
