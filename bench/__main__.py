"""``python -m bench``: runs the paired benchmarks. See bench/README.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from bench import report
from bench.cases import CASES, Plan
from bench.cases3 import CASES3
from bench.cases_wire import CASES_WIRE
from bench.pairing import Row
from bench.peer import RELEASE, RELEASE3, Peer, Pychro

_TOP = Path(__file__).resolve().parent.parent


def main() -> int:
    """Runs what was asked for; 1 if a target was missed."""
    newer = {**CASES, **CASES_WIRE}
    both = {**newer, **CASES3}
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Java, pychro and pychronix, measured in turns"
    )
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_true", help="small sizes: does it run? (a minute)")
    scale.add_argument("--full", action="store_true", help="a scan of 10 GiB instead of 2")
    parser.add_argument("--only", nargs="+", choices=both, default=list(both), metavar="CASE", help=", ".join(both))
    parser.add_argument("--rounds", type=int, help="measured rounds of each contestant (7; quick: 3)")
    parser.add_argument("--tmpfs", type=Path, default=Path("/dev/shm"), help="a directory in memory (/dev/shm)")
    parser.add_argument("--disk", type=Path, default=_TOP / "build" / "bench", help="one on disk (build/bench)")
    parser.add_argument("--place", choices=("tmpfs", "disk"), help="only there")
    parser.add_argument("--no-java", action="store_true", help="without Java")
    parser.add_argument(
        "--pychro",
        type=Path,
        default=_TOP / "build" / "pychro" / "bin" / "python",
        help="a Python that has pychro (build/pychro/bin/python)",
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all samples there")
    options = parser.parse_args()
    quick = options.quick
    places: dict[str, Path] = {"tmpfs": options.tmpfs, "disk": options.disk}
    if options.place:
        places = {options.place: places[options.place]}
    for path in places.values():
        path.mkdir(parents=True, exist_ok=True)
    java = "left out by --no-java" if options.no_java else None
    unused, unused3 = ("not needed" if names.isdisjoint(options.only) else None for names in (set(newer), set(CASES3)))
    plan = Plan(
        places,
        Peer(RELEASE, unused or java),
        Peer(RELEASE3, unused3 or java),
        Pychro(options.pychro, unused3),
        rounds=options.rounds or (3 if quick else 7),
        messages=200_000 if quick else 2_000_000,
        random_sizes=(100_000,) if quick else (1_000_000, 10_000_000),
        reads=20_000 if quick else 200_000,
        many=2_000_000 if quick else 100_000_000,
        scan_bytes=(200 << 20) if quick else (10 << 30) if options.full else (2 << 30),
    )
    facts = report.machine(plan)
    for peer, needed in ((plan.peer, not unused), (plan.java3, not unused3), (plan.pychro, not unused3)):
        if needed and peer.version is None:
            print(f"{peer.name}: {peer.reason}; no such ratios", file=sys.stderr)
    rows: dict[str, list[Row]] = {"results": [], "chronicle_3": []}
    for name in options.only:
        print(f"{name}:", file=sys.stderr)
        rows["results" if name in newer else "chronicle_3"] += both[name](plan)
    facts["load_after"] = os.getloadavg()
    print(report.as_markdown(facts, rows))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report.as_json(facts, rows), indent=1) + "\n")
    targets = [(row, row.target) for row in [*rows["results"], *rows["chronicle_3"]] if row.target is not None]
    missed = [row for row, target in targets if target.met(row) is False]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
