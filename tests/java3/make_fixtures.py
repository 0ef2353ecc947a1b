"""Remakes ``fixtures/v3/`` with real Java Chronicle 3.6.0: ``python3 tests/java3/make_fixtures.py [NAME ...]``.

As ``tests/java/make_fixtures.py`` does for Chronicle Queue: archives of journals beside what the same Java says of them.
Cycles are given, not the clock's, and all content is computed. What differs between two runs is what Chronicle takes
from the kernel, the thread ids in names and index entries: ``--check`` makes everything again and compares what Java
reads and the sizes of the files. fixtures/v3/PROVENANCE.md is written by this script.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "java"))

from fix_java import digest
from fix_java3 import Java, Java3Peer, Java3Queue, build_peer3, to_json
from make_fixtures import FIXTURES, pack

#: The cycle of 2024-03-05T10:37:42Z for cycles of a day, an hour, a minute and a second.
DAY, HOUR, MINUTE, SECOND = 19787, 474898, 28493917, 1709635062
KIB = 1024
AWKWARD = (0, 1, 2, 3, 4, 5, 7, 8, 31, 32, 63, 64, 65, 127, 128, 255, 256, 1000, 4000)

Expected = dict[str, Any]
Call = tuple[Any, ...]


def salted(salt: int, size: int) -> bytes:
    """Bytes that tell one message from another."""
    return bytes((salt * 31 + i * 7) % 256 for i in range(size))


class Maker:
    """Makes journals in a directory and collects what Java says of each."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.expected: dict[str, Expected] = {}

    def peer(self, thread_bits: int = 22) -> Java3Peer:
        """A process whose thread ids take that many bits of an index entry."""
        return Java3Peer(build_peer3(), {"os.max.pid.bits": str(thread_bits)})

    def vanilla(self, name: str, fill: Callable[[Java3Queue], Any], *, thread_bits: int = 22, **options: Any) -> None:
        """A Vanilla journal that `fill` writes; read back by another process."""
        with self.peer(thread_bits) as peer:
            notes = fill(peer.vanilla(self.home / name, **options)) or {}
        with self.peer(thread_bits) as peer:
            queue = peer.vanilla(self.home / name, **options)
            if "walk" in notes:
                excerpts = self.walk(queue, *notes.pop("walk"))
            else:
                excerpts = queue.dump()
            self.expect(name, queue, excerpts, format="vanilla", options=options, thread_bits=thread_bits, **notes)

    def walk(self, queue: Java3Queue, cycles: list[int], entries: int) -> list[tuple[int, bytes]]:
        """Every excerpt of some cycles, by `index(i)`: nextIndex() would try each second from then till now."""
        tailer = queue.tailer()
        excerpts = []
        for index in (cycle * entries for cycle in cycles):
            while tailer.index(index):
                excerpts.append((index, tailer.view()))
                index += 1
        return excerpts

    def indexed(self, name: str, fill: Callable[[Java3Queue], Any], *, sessions: int = 1, **options: Any) -> None:
        """An Indexed journal that `fill` writes in so many sessions, each of a process of its own."""
        for _ in range(sessions):
            with self.peer() as peer:
                notes = fill(peer.indexed(self.home / name, **options)) or {}
        with self.peer() as peer:
            queue = peer.indexed(self.home / name, **options)
            last = queue.last_index
            tailer = queue.tailer()
            padding = [index for index in range(last + 1) if not tailer.index(index) and tailer.where()[1]]
            self.expect(name, queue, queue.dump(), format="indexed", options=options, padding=padding, **notes)

    def expect(self, name: str, queue: Java3Queue, excerpts: list[tuple[int, bytes]], **notes: Any) -> None:
        """Adds what Java shows of a journal."""
        count, sha256 = digest(excerpts)
        files = [path for path in self.home.rglob("*") if path.is_file()]
        mine = [path for path in files if path.is_relative_to(self.home / name) or path.stem == name]
        self.expected[name] = {
            **notes,
            "count": count,
            "sha256": sha256,
            "excerpts": [[index, data.hex()] for index, data in excerpts],
            "last_index": queue.last_index,
            "files": {str(path.relative_to(self.home)): path.stat().st_size for path in sorted(mine)},
        }


# --- Vanilla ---------------------------------------------------------------------------------------------------------

SMALL = {"index_block": KIB, "data_block": 16 * KIB}  # 128 entries, and some dozens of messages


def cycles(first: int, entries: int = 0) -> Callable[[Java3Queue], Any]:
    """Two appenders in turns, in three cycles with a gap, until index and data files roll over.

    Cycles so short that Java cannot walk to them are read back one by one: those are given their `entries`.
    """

    def fill(queue: Java3Queue) -> Any:
        one, two = queue.appender(), queue.appender()
        for cycle in (first, first + 1, first + 5):
            for number in range(150):
                who = one if number % 3 else two
                who.append(salted(number + cycle, AWKWARD[number % len(AWKWARD)]), cycle=cycle)
        return {"walk": ([first, first + 1, first + 5], entries)} if entries else None

    return fill


def threads(queue: Java3Queue) -> None:
    """Four appenders by turns, each writing its own generated messages."""
    appenders = [queue.appender() for _ in range(4)]
    for number in range(400):
        appenders[number * number % 7 % 4].generate(number * number % 7 % 4, 1, first=number, sizes="8-90", cycle=DAY)


def sessions(queue: Java3Queue) -> None:
    """What a second session, an abandoned excerpt, a late one and one shorter than its room leave behind."""
    late, other = queue.appender(), queue.appender()
    late.append(b"before", cycle=DAY)
    late.start(capacity=100, cycle=DAY)
    late.write(b"abandoned: nobody may ever see this")
    late.start(capacity=200, cycle=DAY)
    late.write(b"late")
    other.append(b"of the next day", cycle=DAY + 1)
    late.finish()
    late.append(b"short", capacity=1000, cycle=DAY)
    late.append(b"too much room asked for: a new data file", capacity=16 * KIB - 4, cycle=DAY)
    late.close()
    again = queue.appender()
    again.append(b"another appender, another data file", cycle=DAY)


def unfinished(queue: Java3Queue) -> None:
    """A newest cycle that has a data file and nothing committed, as a crash leaves it."""
    appender = queue.appender()
    appender.generate(1, 5, cycle=DAY)
    appender.start(capacity=100, cycle=DAY + 1)
    appender.write(b"never finished")


def exact(queue: Java3Queue) -> None:
    """Messages that fill a data block to the last byte, and that need a block of their own."""
    appender = queue.appender()
    appender.append(salted(1, 4 * KIB - 4), cycle=DAY)
    appender.append(salted(2, 2 * KIB - 4), cycle=DAY)
    appender.append(salted(3, 2 * KIB - 4), cycle=DAY)
    appender.append(salted(4, 4 * KIB - 5), cycle=DAY)
    for size in range(4 * KIB - 12, 4 * KIB - 3):
        appender.append(salted(size, size), cycle=DAY)


def big(queue: Java3Queue) -> None:
    """Messages of a megabyte beside small ones."""
    appender = queue.appender()
    appender.generate(1, 6, sizes="300000,1,1048572", cycle=DAY)


def default_sizes(queue: Java3Queue) -> None:
    """Java's own block sizes and capacity."""
    for writer, appender in enumerate((queue.appender(), queue.appender()), 1):
        appender.generate(writer, 10, sizes="100", capacity="default", cycle=DAY)
        appender.generate(writer, 10, first=10, sizes="100", capacity="default", cycle=DAY + 1)


def make_vanilla(maker: Maker) -> None:
    """Every configuration that changes what is where."""
    maker.vanilla("days", cycles(DAY), cycle="DAYS", **SMALL)
    maker.vanilla("hours", cycles(HOUR), cycle="HOURS", **SMALL)
    maker.vanilla("minutes", cycles(MINUTE, 1 << 34), cycle="MINUTES", **SMALL)
    maker.vanilla("seconds", cycles(SECOND, 1 << 28), cycle="SECONDS", **SMALL)
    maker.vanilla("nested", cycles(SECOND, 65536), cycle="SECONDS", format="yyyyMMdd/HHmm/ss", entries=65536, **SMALL)
    maker.vanilla("quoted", cycles(HOUR), cycle="HOURS", format="yyyy-MM-dd'T'HH'h'", **SMALL)
    maker.vanilla("literal", cycles(DAY), format="yyyy/'day' MM.dd", entries=1 << 32, **SMALL)
    maker.vanilla("pid-15", cycles(DAY), thread_bits=15, cycle="DAYS", **SMALL)
    maker.vanilla("pid-17", cycles(DAY), thread_bits=17, cycle="DAYS", index_block=4 * KIB, data_block=4 * KIB)
    maker.vanilla("few-entries", cycles(SECOND, 256), cycle="SECONDS", entries=256, **SMALL)
    maker.vanilla("threads", threads, **SMALL)
    maker.vanilla("sessions", sessions, **SMALL)
    maker.vanilla("unfinished", unfinished, **SMALL)
    maker.vanilla("exact", exact, index_block=KIB, data_block=4 * KIB)
    maker.vanilla("synchronous", cycles(DAY), synchronous=True, **SMALL)


def make_vanilla_big(maker: Maker) -> None:
    """Large messages and Java's default block sizes, for both widths of the thread id."""
    maker.vanilla("big", big, index_block=KIB, data_block=KIB * KIB)
    maker.vanilla("defaults", default_sizes)
    maker.vanilla("defaults-15", default_sizes, thread_bits=15)


# --- Indexed ---------------------------------------------------------------------------------------------------------


def several(queue: Java3Queue) -> None:
    """Enough small messages for several index blocks and many data blocks; none is empty at a line's start."""
    queue.appender().generate(1, 1900, sizes="3-40,8")


def lumps(queue: Java3Queue) -> None:
    """Messages of about a thousand bytes: padding at the end of every data block."""
    queue.appender().generate(1, 60, sizes="1000,900-1100,17")


def exact_fills(queue: Java3Queue) -> None:
    """Data blocks filled to the last byte, within a session and at its end."""
    queue.appender().append_many([salted(n, 1024) for n in range(4)] + [salted(9, 10)] + [salted(8, 4086)])


def padded(queue: Java3Queue) -> None:
    """Padding on demand, as a sink writes it, also twice in a row and in front of a line."""
    appender = queue.appender()
    for number in range(40):
        appender.append(salted(number, 20 + number))
        if number % 13 == 5:
            appender.padding()
    appender.padding()
    appender.append(b"after padding")


def hollow(queue: Java3Queue) -> None:
    """Empty messages in the middle of lines."""
    appender = queue.appender()
    for number in range(56):
        appender.append(salted(number, 0 if number % 14 in (3, 4, 13) else 9))


def make_indexed(maker: Maker) -> None:
    """Both line sizes, and every way a block ends."""
    blocks = {"data_block": 8 * KIB, "index_block": 4 * KIB}
    maker.indexed("l64", several, **blocks)
    maker.indexed("l128", several, line=128, **blocks)
    maker.indexed("padding", lumps, **blocks)
    maker.indexed("padding-128", lumps, line=128, **blocks)
    maker.indexed("exact", exact_fills, data_block=4 * KIB, index_block=4 * KIB)
    maker.indexed("exact-reopened", exact_fills, sessions=3, data_block=4 * KIB, index_block=4 * KIB)
    maker.indexed("reopened", lumps, sessions=3, **blocks)
    maker.indexed("padded", padded, **blocks)
    maker.indexed("hollow", hollow, **blocks)
    maker.indexed("empty", lambda queue: None, **blocks)
    maker.indexed("defaults", lambda queue: queue.appender().generate(1, 40, sizes="100") and None)
    maker.indexed("big", lambda queue: queue.appender().generate(1, 5, sizes="600000,7") and None,
                  data_block=KIB * KIB, index_block=4 * KIB)  # fmt: skip


# --- fields ----------------------------------------------------------------------------------------------------------

TEXTS: tuple[Any, ...] = (
    "hello", "", None, "h\u00e9llo", "\u20ac", "\U0001f600", "\0", "a\ud800b", "\udfff", "x" * 127, "x" * 128,
    "\u00e9" * 64, "\uffff\u07ff\u0800\u007f\u0080",
)  # fmt: skip


def same(write: str, read: str, values: Any) -> list[tuple[Call, Call]]:
    """One writing and one reading call for each value."""
    return [((write, value), (read,)) for value in values]


def decimal(value: Any) -> list[tuple[Call, Call]]:
    return [(("append", value), ("parseUtf8", Java("stop", ","))), (("append", ","), ("position",))]


COLOUR = Java("class", "Colour")
STRING = Java("class", "java.lang.String")
LONG = Java("class", "java.lang.Long")
OBJECTS: tuple[Any, ...] = (
    None, "text \u20ac\U0001f600", "", Java("int", -123), Java("int", 2**31 - 1), Java("long", -(2**63)),
    Java("double", 1.5), Java("double", 1e300), Java("double", float("nan")), Java("date", 1_700_000_000_123),
    Java("date", -5), Java("class", "java.lang.String"), Java("class", "java.util.ArrayList"), COLOUR,
    Java("bigdec", "12.340"), Java("bigint", "123456789012345678901234567890"), Java("float", 1.25), Java("short", -3),
    Java("byte", -4), True, Java("enum", "GREEN"), Java("ext", "5:x"), Java("marsh", "300000:y"), Java("pojo", "7:z"),
    Java("list", ["a", "b"]), Java("map", [("k", "v")]), Java("uuid", "123e4567-e89b-12d3-a456-426614174000"),
    Java("instant", "2024-03-05T10:37:42.500Z"), Java("char", "\u20ac"), b"\x01\x02\xff", Java("sb", "builder"),
)  # fmt: skip

#: The kinds of field: name, and pairs of a writing call and the call that reads it.
KINDS: dict[str, list[tuple[Call, Call]]] = {
    # First, because it alone stands at an absolute offset.
    "fixed_text": [
        (("writeUTFΔ", 0, 16, "h\u00e9llo"), ("readUTFΔ", 0)), (("position", 16), ("position", 16)),
    ],
    "boolean": same("writeBoolean", "readBoolean", (True, False)),
    "byte": same("writeByte", "readByte", (0, 1, -2, 127, -128)),
    "unsigned_byte": same("writeUnsignedByte", "readUnsignedByte", (0, 127, 128, 255)),
    "short": same("writeShort", "readShort", (0, -2, 32767, -32768)),
    "unsigned_short": same("writeUnsignedShort", "readUnsignedShort", (0, 32768, 65535)),
    "char": same("writeChar", "readChar", (0x41, 0x20AC, 0xD83D, 0xFFFF)),
    "int24": same("writeInt24", "readInt24", (0, -2, 0x123456, 2**23 - 1, -(2**23))),
    "int": same("writeInt", "readInt", (0, -2, 0x12345678, 2**31 - 1, -(2**31))),
    "unsigned_int": same("writeUnsignedInt", "readUnsignedInt", (0, 2**31, 2**32 - 1)),
    "int48": same("writeInt48", "readInt48", (0, -2, 0x123456789ABC, 2**47 - 1, -(2**47))),
    "long": same("writeLong", "readLong", (0, -2, 2**63 - 1, -(2**63))),
    "float": same("writeFloat", "readFloat", (1.5, -0.0, float("inf"), 3.4028234663852886e38, 1.401298464324817e-45)),
    "double": same("writeDouble", "readDouble", (1.1, -0.0, float("-inf"), 5e-324, 1.7976931348623157e308, float("nan"))),
    "compact_short": same("writeCompactShort", "readCompactShort",
                          (0, 127, 128, -125, -126, -127, -128, -129, 1000, 32766, 32767, -32767, -32768)),
    "compact_int": same("writeCompactInt", "readCompactInt",
                        (0, 32767, 32768, -32765, -32766, -32767, -32768, -32769, 2**31 - 2, 2**31 - 1,
                         1 - 2**31, -(2**31))),
    "compact_long": same("writeCompactLong", "readCompactLong",
                         (0, 2**31 - 1, 2**31, 3 - 2**31, 2 - 2**31, 1 - 2**31, -(2**31), -(2**31) - 1, 2**63 - 2,
                          2**63 - 1, 1 - 2**63, -(2**63))),
    "compact_unsigned_short": same("writeCompactUnsignedShort", "readCompactUnsignedShort", (0, 127, 128, 254)),
    "compact_unsigned_int": same("writeCompactUnsignedInt", "readCompactUnsignedInt", (0, 65534, 65535, 65536, 2**32 - 1)),
    "compact_double": same("writeCompactDouble", "readCompactDouble",
                           (0.0, -0.0, 1.5, 1.1, -1e300, float("inf"), float("-inf"), float("nan"))),
    "stop_bit": same("writeStopBit", "readStopBit",
                     (0, 1, 127, 128, 16383, 16384, 300000, 2**63 - 1, -1, -2, -128, -129, -16384, -16385, -(2**63))),
    "text": same("writeUTFΔ", "readUTFΔ", TEXTS),
    "utf": same("writeUTF", "readUTF", [text for text in TEXTS if text is not None]),
    "8bit_text": [(("write8bitText", text), ("read8bitText", Java("sb", "")))
                  for text in ("abc", "", None, "\u00e9\u00ff")],
    "bytes": [(("write", b"\0\1\xff"), ("readFully", bytes(3))), (("writeBytes", "abc\u00e9"), ("readFully", bytes(4))),
              (("write", Java("buffer", b"buffer")), ("readFully", bytes(6)))],
    "chars": [(("write", Java("chars", "a\u20ac")), ("readFully", Java("chars", "  "))),
              (("writeChars", "b\u20ac"), ("readFully", Java("chars", "  ")))],
    "number_text": [pair for value in (0, -17, 2**63 - 1, -(2**63))
                    for pair in ((("append", value), ("parseLong",)), (("append", ","), ("position",)))],
    "decimal_text": [pair for value in (1.5, -0.001, 100.0, 1e15, 123456.789) for pair in decimal(value)]
    + [(("append", 3.14159, 2), ("parseUtf8", Java("stop", ","))), (("append", ","), ("position",)),
       (("append", True), ("parseUtf8", Java("stop", ","))), (("append", ","), ("position",))],
    "date_text": [(("appendDateTimeMillis", 1_700_000_000_123), ("parseUtf8", Java("stop", ","))),
                  (("append", ","), ("position",)),
                  (("appendDateMillis", 1_700_000_000_123), ("parseUtf8", Java("stop", ","))),
                  (("append", ","), ("position",)),
                  (("appendTimeMillis", 38_223_123), ("parseUtf8", Java("stop", ","))),
                  (("append", ","), ("position",))],
    "enum": [(("writeEnum", Java("enum", "RED")), ("readEnum", COLOUR)), (("writeEnum", None), ("readEnum", COLOUR)),
             (("writeEnum", "abc"), ("readEnum", STRING))],
    "list": [(("writeList", ["a", "bc", None]), ("readList", [], STRING)), (("writeList", []), ("readList", [], STRING)),
             (("writeList", [Java("long", 1), Java("long", -22)]), ("readList", [], LONG))],
    "map": [(("writeMap", {"k1": "v1", "k2": "v2"}), ("readMap", {}, STRING, STRING)),
            (("writeMap", {}), ("readMap", {}, STRING, STRING))],
    "object": same("writeObject", "readObject", OBJECTS),
}  # fmt: skip


def write_fields(queue: Java3Queue, kinds: dict[str, list[tuple[Call, Call]]], **where: Any) -> dict[str, Any]:
    """One excerpt for each kind and one with all; what was called, what it gave, and the bytes."""
    appender, tailer = queue.appender(), queue.tailer()
    fields = []
    everything = [pair for pairs in kinds.values() for pair in pairs]
    for name, pairs in [*kinds.items(), ("all", everything)]:
        written = appender.calls(*(write for write, _ in pairs), capacity=8192, **where)
        read = tailer.outcomes(*(call for _, call in pairs), index=written.index)
        steps = zip(pairs, written.calls, read, strict=True)
        fields.append(
            {
                "kind": name,
                "index": written.index,
                "hex": written.data.hex(),
                "calls": [
                    {
                        "write": [write[0], *map(to_json, write[1:])],
                        "read": [call[0], *map(to_json, call[1:])],
                        "position": done.position,
                        "result": to_json(got.result),
                        "filled": [to_json(value) for value in got.filled],
                    }
                    for (write, call), done, got in steps
                ],
            }
        )
    return {"fields": fields}


def make_fields(maker: Maker) -> None:
    """Both formats, and the objects once more as raw Java serialisation."""
    raw = {"object": KINDS["object"]}
    blocks = {"index_block": 4 * KIB, "data_block": 32 * KIB}
    maker.vanilla("fields", lambda queue: write_fields(queue, KINDS, cycle=DAY), **blocks)
    maker.vanilla("fields-raw", lambda queue: write_fields(queue, raw, cycle=DAY), compressed=False, **blocks)
    maker.indexed("fields-indexed", lambda queue: write_fields(queue, KINDS), **blocks)


# --- the whole -------------------------------------------------------------------------------------------------------

PLAN: dict[str, tuple[Callable[[Maker], None], str]] = {
    "v3/vanilla": (
        make_vanilla,
        "Vanilla: cycles, name patterns, thread-id bits, sessions, late and abandoned excerpts",
    ),
    "v3/vanilla-big": (make_vanilla_big, "Vanilla: messages of a megabyte; default block sizes"),
    "v3/indexed": (make_indexed, "Indexed: line sizes, padding, exact fills, sessions, default block sizes"),
    "v3/fields": (make_fields, "each kind of field with its edge values, and all in one excerpt; Vanilla and Indexed"),
}


def make(name: str, target: Path) -> dict[str, Expected]:
    """Makes one archive into `target` and returns what Java says of it."""
    with tempfile.TemporaryDirectory() as scratch:
        maker = Maker(Path(scratch) / "made")
        maker.home.mkdir()
        PLAN[name][0](maker)
        archive = target / f"{name}.tar.xz"
        archive.parent.mkdir(parents=True, exist_ok=True)
        pack(maker.home, archive)
    text = json.dumps({"fixture": name, "queues": maker.expected}, separators=(",", ":"))
    (target / f"{name}.expected.json.xz").write_bytes(lzma.compress(text.encode(), preset=9))
    return maker.expected


def without_thread_ids(queues: dict[str, Expected]) -> str:
    """What must be the same in every run, as text."""
    text = json.dumps(queues, sort_keys=True)
    return re.sub(r"data-\d+-", "data-*-", text)


def check(names: list[str]) -> bool:
    """Whether the fixtures come out the same again, thread ids aside."""
    equal = True
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            again = without_thread_ids(make(name, Path(scratch)))
            with lzma.open(FIXTURES / f"{name}.expected.json.xz", "rt", encoding="utf-8") as file:
                same_again = again == without_thread_ids(json.load(file)["queues"])
            equal = equal and same_again
            print(f"{'same  ' if same_again else 'DIFFERS'} {name}")
    return equal


def write_provenance() -> None:
    """fixtures/v3/PROVENANCE.md: what each file is for and its digest."""
    rows = []
    for name, (_, purpose) in PLAN.items():
        for suffix, what in ((".tar.xz", purpose), (".expected.json.xz", "what Java shows of it")):
            path = FIXTURES / f"{name}{suffix}"
            rows.append(f"| `{path.name}` | {what} | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |\n")
    (FIXTURES / "v3" / "PROVENANCE.md").write_text(_PROVENANCE + "".join(rows), "utf-8")


_PROVENANCE = """\
# Where the fixtures of Chronicle 3 come from

Every file here was written by real Java Chronicle 3.6.0 (lang 6.7.6; Debian's `libopenhft-chronicle-queue-java` 3.6.0-2
and `libopenhft-lang-java` 6.7.6-2) on OpenJDK 17, Linux x86-64, by the command below and by nothing else. **Do not edit
one**: change `tests/java3/make_fixtures.py` and run it. A test that needs a damaged journal damages its own copy.

```sh
python3 tests/java3/make_fixtures.py            # all of them; give names to make some
python3 tests/java3/make_fixtures.py --check    # makes them again elsewhere and compares, thread ids aside
```

Thread ids are the kernel's (the machine's pid_max was 32768, so that they fit 15 bits), all else is computed. Cycles
are given to `VanillaAppender.startExcerpt(capacity, cycle)`, not taken from the clock.

An archive holds several journals; sparse files stay sparse when GNU tar or Python's `tarfile` unpacks them.
`<name>.expected.json.xz` is one JSON object: `queues` maps a journal (a directory; of an Indexed one the path without
`.index` and `.data`) to what a Java process that opened it afterwards says of it: `format`, the builder's `options`,
`thread_bits`, `excerpts` ([index, hex], from the start), `count` and `sha256` (over index as LE64, length as LE32,
payload), `last_index` (Java's `lastIndex()`), `padding` (numbers of an Indexed journal that are padding) and `files`
(sizes). `fields` lists excerpts made field by field: `kind`, `index`, `hex` and `calls`, each with the writing and the
reading method of `net.openhft.lang.io.Bytes` and their arguments, the `position` after the writing, and Java's `result`
of the reading with the arguments it `filled` (`tests/fix_java3.py: field_excerpts` turns them into Python).

`vanilla/unfinished`: its newest cycle has a data file and no index file, so Java's `lastIndex()` is -1.

| file | what it is for | SHA-256 |
|---|---|---|
"""


def main() -> int:
    """Makes or checks; the exit code is 1 when a check finds a difference."""
    parser = argparse.ArgumentParser(description="remake the fixtures of Chronicle 3.6.0 with real Java")
    parser.add_argument("--check", action="store_true", help="make them elsewhere and compare")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PLAN)}")
    arguments = parser.parse_args()
    names = arguments.names or list(PLAN)
    if arguments.check:
        return 0 if check(names) else 1
    for name in names:
        make(name, FIXTURES)
        size = sum((FIXTURES / f"{name}{suffix}").stat().st_size for suffix in (".tar.xz", ".expected.json.xz"))
        print(f"{name}: {size} bytes", flush=True)
    write_provenance()
    return 0


if __name__ == "__main__":
    sys.exit(main())
