"""``python -m bench``: runs the paired benchmarks. See bench/README.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from bench import report
from bench.cases import CASES, Plan
from bench.pairing import Row
from bench.peer import Peer

_TOP = Path(__file__).resolve().parent.parent


def main() -> int:
    """Runs what was asked for; 1 if a target was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Java and pychronix, measured in turns"
    )
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_true", help="small sizes: does it run? (a minute)")
    scale.add_argument("--full", action="store_true", help="a scan of 10 GiB instead of 2")
    parser.add_argument(
        "--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=", ".join(CASES)
    )
    parser.add_argument("--rounds", type=int, help="measured rounds of each contestant (7; quick: 3)")
    parser.add_argument(
        "--tmpfs", type=Path, default=Path("/dev/shm"), help="a directory in memory (/dev/shm)"
    )
    parser.add_argument(
        "--disk", type=Path, default=_TOP / "build" / "bench", help="one on disk (build/bench)"
    )
    parser.add_argument("--place", choices=("tmpfs", "disk"), help="only there")
    parser.add_argument("--no-java", action="store_true", help="pychronix alone")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all samples there")
    options = parser.parse_args()
    quick = options.quick
    places: dict[str, Path] = {"tmpfs": options.tmpfs, "disk": options.disk}
    if options.place:
        places = {options.place: places[options.place]}
    for path in places.values():
        path.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        places,
        Peer(wanted=not options.no_java),
        rounds=options.rounds or (3 if quick else 7),
        messages=200_000 if quick else 2_000_000,
        random_sizes=(100_000,) if quick else (1_000_000, 10_000_000),
        reads=20_000 if quick else 200_000,
        many=2_000_000 if quick else 100_000_000,
        scan_bytes=(200 << 20) if quick else (10 << 30) if options.full else (2 << 30),
    )
    facts = report.machine(plan.peer, places)
    if plan.peer.build is None:
        print(f"no Java: {plan.peer.reason}; no ratios", file=sys.stderr)
    rows: list[Row] = []
    for name in options.only:
        print(f"{name}:", file=sys.stderr)
        rows += CASES[name](plan)
    facts["load_after"] = os.getloadavg()
    print(report.as_markdown(facts, rows))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(facts, rows), indent=1) + "\n")
    missed = [row for row in rows if row.target is not None and row.target.met(row) is False]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
