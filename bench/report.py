"""What came out, for people (Markdown, ratios first) and for programs (JSON), with the machine described."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import sys
import timeit
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pychronix
from bench.cases import Plan
from bench.pairing import JAVA, PYCHRO, Row, Samples
from bench.peer import RELEASE, RELEASE3, Peer, Pychro
from pychronix._boundary import lib

_SCALES = ((1e6, "M msg/s"), (1e3, "k msg/s"), (1.0, "msg/s"))


def machine(plan: Plan) -> dict[str, Any]:
    """Everything about this machine that the numbers depend on."""
    cpu = "unknown"
    for line in _lines("/proc/cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            cpu = value.strip()
            break
    memory_kb = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kb / (1 << 20), 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_path": sys.executable,
        "python_call_ns": round(_nanoseconds(lambda: None)),
        "native_call_ns": round(_nanoseconds(lib.cx_build_flags)),
        "cffi": importlib.metadata.version("cffi"),
        "pychronix": str(Path(pychronix.__file__).parent),
        "java": plan.peer.version or plan.java3.version,
        "chronicle_queue": _release(plan.peer, RELEASE),
        "chronicle_3": _release(plan.java3, RELEASE3),
        "pychro": _release(plan.pychro, plan.pychro.version),
        "places": {name: f"{path} ({_file_system(path)})" for name, path in plan.places.items()},
        "load_before": os.getloadavg(),
    }


def as_json(facts: dict[str, Any], rows: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """The whole run: what describes the machine, and the rows of each section."""
    return {"machine": facts, **{section: [row.as_json() for row in found] for section, found in rows.items()}}


def as_markdown(facts: dict[str, Any], rows: Mapping[str, Sequence[Row]]) -> str:
    """Ready to paste into the README: a table for each section that has rows."""
    peers = [f"Java {facts['java']}"] if facts["java"] else ["no Java"]
    if rows["results"]:
        peers.append(f"Chronicle Queue {facts['chronicle_queue']}")
    if rows["chronicle_3"]:
        peers += [f"Chronicle {facts['chronicle_3']}", f"pychro {facts['pychro']}"]
    lines = [
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, {facts['kernel']}; {', '.join(peers)}; "
        f"{facts['python']} (an empty call {facts['python_call_ns']} ns, one into the native core "
        f"{facts['native_call_ns']} ns), cffi {facts['cffi']}; {facts['date'][:10]}, load "
        f"{facts['load_before'][0]:.1f} before and {facts['load_after'][0]:.1f} after. Medians (min to max) "
        "of interleaved rounds; ratios are medians of the rounds' ratios, above 1 where pychronix is faster.",
    ]
    if rows["results"]:
        lines += [
            "",
            "| ratio | benchmark | where | pychronix | Java | target |",
            "|---|---|---|---|---|---|",
            *map(_line, rows["results"]),
        ]
    if rows["chronicle_3"]:
        lines += [
            "",
            "| to Java | to pychro | benchmark | where | pychronix | Java | pychro | target |",
            "|---|---|---|---|---|---|---|---|",
            *map(_line_of_two, _together(rows["chronicle_3"])),
        ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    ours = f"{_amount(row.ours, row.unit)}"
    return f"| {_ratio(row)} | {row.case}: `{row.what}` | {row.place} | {ours} | {_theirs(row)} | {_target(row)} |"


def _together(rows: Sequence[Row]) -> list[list[Row]]:
    """The comparisons of one thing that we do."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.case, row.what, row.place), []).append(row)
    return list(found.values())


def _line_of_two(rows: Sequence[Row]) -> str:
    first = rows[0]
    java, pychro = (next((row for row in rows if row.whose == whose), None) for whose in (JAVA, PYCHRO))
    cells = [
        _ratio(java),
        _ratio(pychro),
        f"{first.case}: `{first.what}`",
        first.place,
        _amount(first.ours, first.unit),
        _theirs(java),
        _theirs(pychro),
        "; ".join(filter(None, map(_target, rows))),
    ]
    return f"| {' | '.join(cells)} |"


def _ratio(row: Row | None) -> str:
    if row is None or row.ratio is None:
        return ""
    return f"**{row.ratio.median:.2f}x** ({_range(row.ratio, 1, '.2f')})"


def _theirs(row: Row | None) -> str:
    return "" if row is None or row.theirs is None else f"{row.versus}: {_amount(row.theirs, row.unit)}"


def _release(peer: Peer | Pychro, release: str | None) -> str | None:
    return release if peer.version is not None else None


def _target(row: Row) -> str:
    target = row.target
    if target is None:
        return ""
    if target.of_ratio:
        limit = f"{target.limit:g}x" + (f" {row.whose}" if row.whose == PYCHRO else "")
    elif row.unit == "msg/s":
        limit = f"{target.limit / 1e6:g} M msg/s"
    else:
        limit = f"{target.limit:g} {row.unit}"
    met = target.met(row)
    verdict = "not known" if met is None else "met" if met else "**missed**"
    return f"{'<=' if target.at_most else '>='} {limit}: {verdict}"


def _amount(samples: Samples, unit: str) -> str:
    scale, name = 1.0, unit
    if unit == "msg/s":
        scale, name = next(pair for pair in _SCALES if samples.median >= pair[0] or pair[0] == 1.0)
    form = ".0f" if unit == "ns" else ".3g" if samples.median / scale < 100 else ".0f"
    text = f"{samples.median / scale:{form}} {name}"
    if len(samples.values) > 1:
        text += f" ({_range(samples, scale, form)})"
    return text


def _range(samples: Samples, scale: float, form: str) -> str:
    return f"{min(samples.values) / scale:{form}} to {max(samples.values) / scale:{form}}"


def _nanoseconds(call: Callable[[], object]) -> float:
    """Of one call: what this interpreter was built like matters more than its version."""
    return min(timeit.repeat(call, number=200_000, repeat=7)) * 1e9 / 200_000


def _file_system(path: Path) -> str:
    """Type of the file system that holds a path: of the longest mount point above it."""
    best, kind = "", "unknown"
    for line in _lines("/proc/self/mounts"):
        _, point, type_, *_ = line.split()
        above = str(path.resolve()) == point or str(path.resolve()).startswith(point.rstrip("/") + "/")
        if above and len(point) >= len(best):
            best, kind = point, type_
    return kind


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
