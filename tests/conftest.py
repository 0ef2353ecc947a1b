"""What all tests share: the budget, the report header, the Java peers if they are there, and the watch for leaks.

- ``--budget=quick|ci|long`` says how much to try: "quick" (default) stays under a minute and leaves out tests marked
  ``slow``; "ci" runs everything once; "long" repeats random tests for an hour's worth. There is no other switch.
- ``budget.of(quick, ci, long)`` in a test picks a number of rounds.
- After each test that uses ``tmp_path`` no file below it may still be open or mapped by this process.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

if importlib.util.find_spec("fix_java") is not None:
    pytest_plugins = ["fix_java", "fix_java3"]

BUDGETS = ("quick", "ci", "long")
T = TypeVar("T")


class Budget:
    """How much to try."""

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, quick: T, ci: T, long: T) -> T:
        """The one of three values that fits the budget."""
        return (quick, ci, long)[BUDGETS.index(self.name)]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--budget", choices=BUDGETS, default="quick", help="how much to try: quick (default), ci or long"
    )


def pytest_configure(config: pytest.Config) -> None:
    if importlib.util.find_spec("hypothesis") is None:
        return
    hypothesis = importlib.import_module("hypothesis")
    examples = Budget(config.getoption("--budget")).of(50, 300, 5000)
    # Time limits for an example say more about the machine than about the code.
    hypothesis.settings.register_profile(
        "budget",
        max_examples=examples,
        deadline=None,
        print_blob=True,
        suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
    )
    hypothesis.settings.load_profile("budget")


def pytest_report_header(config: pytest.Config) -> list[str]:
    try:
        boundary = importlib.import_module("pychronix._boundary")
        flags = ", ".join(boundary.build_flags()) or "release"
        where = Path(boundary.__file__).parent
    except ImportError as error:
        flags, where = f"NOT BUILT: {error}", Path("?")
    cffi = importlib.import_module("cffi").__version__
    return [
        f"pychronix: {where}, native core: {flags}; cffi {cffi}, {platform.platform()}, {os.cpu_count()} processors",
        f"budget: {config.getoption('--budget')}; Java peers "
        + ("required" if os.environ.get("PYCHRONIX_REQUIRE_PEERS") == "1" else "if there is a JDK"),
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--budget") == "quick":
        skip = pytest.mark.skip(reason="slow: --budget=ci or long runs it")
        for item in items:
            if item.get_closest_marker("slow") is not None:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def budget(request: pytest.FixtureRequest) -> Budget:
    """How much to try: ``budget.of(quick, ci, long)``."""
    return Budget(request.config.getoption("--budget"))


def _held(directory: str) -> set[str]:
    """Files below a directory that this process has open or mapped."""
    held = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # The one that listed the directory.
            continue
        if target.startswith(directory + os.sep):
            held.add(f"open: {target}")
    with open("/proc/self/maps") as maps:
        for line in maps:
            at = line.find(directory + os.sep)
            if at >= 0:
                held.add(f"mapped: {line[at:].rstrip()}")
    return held


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing that a test left in its directory may stay open or mapped."""
    yield
    directory = request.node.funcargs.get("tmp_path") if hasattr(request.node, "funcargs") else None
    report = getattr(request.node, "failed_call", False)
    if directory is None or report or not _held(str(directory)):
        return
    gc.collect()
    held = _held(str(directory))
    assert not held, "the test left files open: " + ", ".join(sorted(held))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Marks an item whose call failed: its traceback keeps objects alive, which is no leak."""
    report = yield
    if call.when == "call" and report.failed:  # type: ignore[attr-defined]
        item.failed_call = True  # type: ignore[attr-defined]
    return report  # type: ignore[return-value]
