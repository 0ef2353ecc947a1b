"""The mapping view of the table store."""

from __future__ import annotations

import pytest

import pychronix as px
from pychronix.errors import KeyNotFoundError
from pychronix.table import UNLOCKED

KEYS = [
    "listing.highestCycle",
    "listing.lowestCycle",
    "listing.modCount",
    "chronicle.write.lock",
    "chronicle.append.lock",
    "chronicle.lastIndexReplicated",
    "chronicle.lastAcknowledgedIndexReplicated",
    "chronicle.lastIndexMSynced",
]


def test_a_new_queue_has_javas_keys_in_javas_order(queue):
    table = queue.table_store
    assert list(table) == KEYS
    assert len(table) == 8
    assert table["listing.highestCycle"] == -(1 << 31)
    assert table["listing.lowestCycle"] == (1 << 31) - 1
    assert [table[key] for key in KEYS[3:]] == [UNLOCKED, UNLOCKED, -1, -1, -1]


def test_keys_have_no_case(queue):
    table = queue.table_store
    assert table["CHRONICLE.Write.lock"] == UNLOCKED
    assert "LISTING.MODCOUNT" in table


def test_a_missing_key(queue):
    table = queue.table_store
    assert "no.such" not in table
    assert 5 not in table
    assert table.get("no.such") is None
    assert table.get("no.such", 7) == 7
    for use in (lambda: table["no.such"], lambda: table.compare_and_set("no.such", 0, 1)):
        with pytest.raises(KeyNotFoundError, match=r"the table store has no key 'no\.such'") as caught:
            use()
        assert isinstance(caught.value, KeyError)
        assert isinstance(caught.value, px.NotFoundError)


def test_compare_and_set(queue, path):
    table = queue.table_store
    assert table.compare_and_set("chronicle.lastIndexReplicated", -1, 42) is True
    assert table.compare_and_set("chronicle.lastIndexReplicated", -1, 43) is False
    with px.open_queue(path) as other:
        assert other.table_store["chronicle.lastIndexReplicated"] == 42
        with pytest.raises(px.ReadOnlyError):
            other.table_store.compare_and_set("chronicle.lastIndexReplicated", 42, 43)
        with pytest.raises(px.ReadOnlyError):
            other.table_store.setdefault("mine", 43)
    assert table["chronicle.lastIndexReplicated"] == 42


def test_setdefault_creates_a_key_once(queue, path):
    table = queue.table_store
    assert table.setdefault("mine.own", -5) == -5
    assert table.setdefault("mine.own", 6) == -5
    assert list(table)[-1] == "mine.own"
    with px.open_queue(path) as other:
        assert other.table_store["mine.own"] == -5


def test_values_are_64_bits(queue):
    table = queue.table_store
    assert table.setdefault("low", -(1 << 63)) == -(1 << 63)
    assert table.setdefault("high", (1 << 63) - 1) == (1 << 63) - 1
    for wrong in (1 << 63, -(1 << 63) - 1):
        with pytest.raises(px.UsageError, match="does not fit 64 bits"):
            table.setdefault("wrong", wrong)
        with pytest.raises(px.UsageError, match="does not fit 64 bits"):
            table.compare_and_set("low", 0, wrong)
    with pytest.raises(TypeError):
        table.setdefault("wrong", "5")
    assert "wrong" not in table


@pytest.mark.parametrize("key", ["", "a\0b", "ключ", "x" * 300])
def test_a_key_that_cannot_be_one(queue, key):
    for use in (queue.table_store.__getitem__, lambda key: queue.table_store.setdefault(key, 1)):
        with pytest.raises(px.UsageError):
            use(key)
    with pytest.raises(TypeError):
        queue.table_store[5]
    assert len(queue.table_store) == 8


def test_the_table_store_fills_up_with_an_error_and_stays_usable(queue):
    table = queue.table_store
    made = 0
    with pytest.raises(px.ChronixError):
        for number in range(4000):
            table.setdefault(f"key.{number}", number)
            made += 1
    assert 1500 < made < 4000
    assert len(table) == 8 + made
    assert table[f"key.{made - 1}"] == made - 1
    assert queue.appender().append(b"x") == queue.first_index


def test_appends_are_seen_in_the_listing(queue):
    before = queue.table_store["listing.modCount"]
    queue.appender().append(b"x")
    assert queue.table_store["listing.highestCycle"] == queue.table_store["listing.lowestCycle"] == 19787
    assert queue.table_store["listing.modCount"] > before
