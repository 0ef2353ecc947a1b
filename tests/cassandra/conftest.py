"""The Cassandra peer, for these tests alone, and the command ``pychronix fql`` in and out of process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cassandra_kit import DEADLINE_S, Fql, Result
from fix_cassandra import _cassandra_shared, cassandra

from pychronix.cli import main

__all__ = ["_cassandra_shared", "cassandra"]


@pytest.fixture
def fql(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Result]:
    """``fql(path, "-o", "json")`` runs the command in this process."""

    def run(*arguments: object) -> Result:
        code = main(["fql", *map(str, arguments)])
        out, err = capfdbinary.readouterr()
        return Result(code, out.decode(), err.decode())

    return run


@pytest.fixture
def spawn_fql() -> Iterator[Callable[..., Fql]]:
    started: list[Fql] = []

    def spawn(*arguments: object) -> Fql:
        started.append(Fql(*arguments))
        return started[-1]

    yield spawn
    for one in started:
        one.process.kill()
        one.process.wait(DEADLINE_S)
        assert one.process.stdout is not None
        one.process.stdout.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what talks to Java, so that ``-m "not java"`` leaves it out."""
    for item in items:
        if "cassandra" in getattr(item, "fixturenames", ()):
            item.add_marker("java")
