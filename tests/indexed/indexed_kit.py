"""Indexed journals for the tests: configurations, messages, both sides' handles, and the files themselves.

``read_journal`` reads the two files by the specification (chronicle-3, 3) with nothing of ours: what we and Java say of a
journal is compared with it.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fix_java3 import Java3Peer, Java3Queue

import pychronix as px


class Shape(NamedTuple):
    """What a journal's files do not say."""

    line: int = 64
    data_block: int = 4096
    index_block: int = 4096

    @property
    def entries(self) -> int:
        """Entries of a line."""
        return (self.line - 8) // 4

    def ours(self, path: Path, mode: str = "a", *, reserve: int = 0, **options: Any) -> px.Queue:
        """Opens the journal with pychronix; `reserve` is the least that a beginning excerpt asks for."""
        return px.open_queue(
            path, mode, format="indexed", line_bytes=self.line, data_block_bytes=self.data_block,
            index_block_bytes=self.index_block, reserve_bytes=reserve, **options,
        )  # fmt: skip

    def java(self, peer: Java3Peer, path: Path, **options: Any) -> Java3Queue:
        """Opens the journal with Java."""
        return peer.indexed(path, line=self.line, data_block=self.data_block, index_block=self.index_block, **options)

    def __str__(self) -> str:
        return f"line{self.line}-data{self.data_block}-index{self.index_block}"


#: Line sizes, blocks of few and of many lines, data blocks that fill after four excerpts and after hundreds.
SHAPES = (
    Shape(64, 4096, 4096),
    Shape(128, 4096, 4096),
    Shape(64, 8192, 256),
    Shape(64, 1 << 16, 1 << 16),
    Shape(128, 1 << 20, 8192),
    Shape(16, 4096, 4096),
    Shape(4096, 12288, 8192),
)


def index_file(path: Path) -> Path:
    return path.with_name(path.name + ".index")


def data_file(path: Path) -> Path:
    return path.with_name(path.name + ".data")


def both_files(path: Path) -> tuple[bytes, bytes]:
    """The bytes of the two files, holes included."""
    return index_file(path).read_bytes(), data_file(path).read_bytes()


def assert_same_files(ours: Path, javas: Path, shape: Shape, when: str) -> None:
    """Both files of two journals are equal, byte by byte; ours may be a block longer, for a Java reader's sake.

    We extend a file before the last entry of a block is there, Java when it begins the next (cx3_indexed.h, I-6).
    """
    for name, block, mine, yours in zip(
        ("index", "data"), (shape.index_block, shape.data_block), both_files(ours), both_files(javas), strict=True
    ):
        assert len(mine) - len(yours) in (0, block), f"{when}: .{name} has {len(mine)} bytes, Java's {len(yours)}"
        if mine[: len(yours)] != yours:
            at = next(at for at in range(0, len(yours), 8) if mine[at : at + 8] != yours[at : at + 8])
            words = f"{mine[at : at + 16].hex(' ')}, Java's {yours[at : at + 16].hex(' ')}"
            raise AssertionError(f"{when}: .{name} differs at {at:#x}: {words}")
        assert not any(mine[len(yours) :]), f"{when}: .{name} goes on behind Java's"


def read_journal(path: Path, shape: Shape) -> tuple[list[tuple[int, bytes]], int]:
    """(number, payload) of every excerpt up to the first entry that is 0, and how many numbers are used."""
    index, data = both_files(path)
    return [(number, data[start:end]) for number, start, end, is_excerpt in _entries(index, shape) if is_excerpt], sum(
        1 for _ in _entries(index, shape)
    )


def _entries(index: bytes, shape: Shape) -> Iterator[tuple[int, int, int, bool]]:
    number = 0
    for at in range(0, len(index), shape.line):
        base, *entries = struct.unpack_from(f"<q{shape.entries}i", index, at)
        start = base
        for entry in entries:
            if entry == 0:
                return
            end = base + abs(entry)
            yield number, start, end, entry > 0
            start = end
            number += 1


def message(number: int, length: int) -> bytes:
    """Bytes that are not to be mistaken for another message's."""
    return (b"%d:" % number + b"abcdefghijklmnopqrstuvwxyz" * (length // 26 + 1))[:length]


def lengths_like(generator: random.Random, shape: Shape, count: int) -> Sequence[int]:
    """Lengths of all kinds: tiny, large, and some that fill what is left of a round number."""
    kinds = (
        lambda: generator.randrange(1, 40),
        lambda: generator.randrange(1, min(shape.data_block - 1, 3000)),
        lambda: 1 << generator.randrange(0, 12),
        lambda: min(shape.data_block // 4, 2048),
        lambda: shape.data_block - 1,
    )
    weights = (10, 4, 3, 3, 0.2)
    return [min(generator.choices(kinds, weights)[0](), shape.data_block - 1) for _ in range(count)]
