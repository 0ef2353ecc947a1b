"""The storeys, held apart: what each module may import, read off its syntax tree (exemplars 3.2).

Imports go down, never up, and sideways only where LAYERS says so. What is imported for type checkers alone is free.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pychronix"

# Module (below pychronix) -> level, and the modules of its own level that it may import.
LAYERS: dict[str, tuple[int, set[str]]] = {
    "_native": (0, set()),
    "errors": (1, set()),
    "_boundary": (2, set()),
    "rolling": (2, set()),
    "chronicle3": (3, set()),
    "wire": (2, {"wire"}),
    "fields": (2, {"fields", "wire"}),
    "formats": (3, {"formats"}),
    "codec": (3, set()),
    "table": (3, set()),
    "appender": (3, {"codec"}),
    "tailer": (3, {"codec"}),
    "search": (3, set()),
    "methods": (3, set()),
    "queue": (4, set()),
    "inspect": (4, set()),
    "follow": (5, set()),
    "cassandra": (7, {"cassandra", "__init__"}),
    "tcp": (6, {"tcp"}),
    "__init__": (7, set()),
    "cli": (8, {"cli"}),
    "__main__": (9, set()),
}

# The pure modules see no machine: bytes-like in, values out.
PURE = {"errors", "rolling", "wire", "fields", "formats"}
# Imports from outside the standard library, and the only modules that may have them.
OUTSIDE = {
    "construct": {"formats"},
    "numpy": {"fields", "wire", "codec"},
    "pyarrow": {"wire"},
    "watchdog": {"follow"},
    "yaml": {"wire"},
    "cffi": {"_boundary"},
}
# Only the boundary talks to the core.
ONLY_BOUNDARY = "_native"
# Only storey 3 is built on the public API alone.
PUBLIC_ONLY = {"cli", "__main__"}
# The network knows queues by their public methods alone, whatever their format.
PUBLIC_ONLY |= {"tcp", "cassandra"}


class Import(NamedTuple):
    module: str  # "os.path", or "pychronix.errors"
    names: tuple[str, ...]
    line: int
    types_only: bool


def place(path: Path) -> str:
    """The key of LAYERS that a file belongs to: a module, or the package below pychronix that it lies in."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[Import]:
    def walk(node: ast.AST, types_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, (), child.lineno, types_only)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path.name}:{child.lineno}: imports are absolute"
                yield Import(child.module or "", tuple(alias.name for alias in child.names), child.lineno, types_only)
            elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
                for inner in child.body:
                    yield from walk(ast.Module([inner], []), True)
                for inner in child.orelse:
                    yield from walk(ast.Module([inner], []), types_only)
            else:
                yield from walk(child, types_only)

    yield from walk(ast.parse(path.read_text(), path.name), False)


def own_targets(found: Import) -> set[str]:
    """Places of this package that an import reaches; "__init__" stands for the package's own names."""
    parts = found.module.split(".")
    if parts[0] != "pychronix":
        return set()
    if len(parts) > 1:
        return {parts[1]}
    return {name if name in LAYERS else "__init__" for name in found.names} or {"__init__"}


SOURCES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in SOURCES]


def test_every_module_has_its_place() -> None:
    assert set() == {place(path) for path in SOURCES} - set(LAYERS), "give the new module its place in LAYERS"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_imports_go_down(path: Path) -> None:
    here = place(path)
    level, beside = LAYERS[here]
    for found in imports(path):
        if found.types_only:
            continue
        for target in own_targets(found):
            assert target in LAYERS, f"line {found.line}: {target} has no place in LAYERS"
            allowed = LAYERS[target][0] < level or target in beside
            assert allowed, f"line {found.line}: {here} (level {level}) imports {target} (level {LAYERS[target][0]})"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_only_boundary_imports_the_core(path: Path) -> None:
    reached = {target for found in imports(path) if not found.types_only for target in own_targets(found)}
    if place(path) != "_boundary":
        assert ONLY_BOUNDARY not in reached


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_dependencies_stay_where_they_belong(path: Path) -> None:
    for found in imports(path):
        owners = OUTSIDE.get(found.module.split(".")[0])
        if owners is not None and not found.types_only:
            assert place(path) in owners, f"line {found.line}: {found.module}"


@pytest.mark.parametrize("path", [path for path in SOURCES if place(path) in PURE], ids=str)
def test_pure_modules_touch_no_machine(path: Path) -> None:
    machine = {"io", "mmap", "fcntl", "socket", "subprocess", "threading", "time", "select", "signal", "asyncio"}
    assert set() == {found.module.split(".")[0] for found in imports(path)} & machine


@pytest.mark.parametrize("path", [path for path in SOURCES if place(path) in PUBLIC_ONLY], ids=str)
def test_the_command_line_uses_the_public_api_alone(path: Path) -> None:
    private = {"_boundary", "_native", "appender", "tailer", "queue", "formats"}
    for found in imports(path):
        assert set() == own_targets(found) & private, f"line {found.line}"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id != "self":
            hidden = node.attr.startswith("_") and not node.attr.startswith("__")
            assert not hidden, f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", SOURCES, ids=NAMES)
def test_only_follow_and_the_boundary_sleep(path: Path) -> None:
    """Waiting for data is follow's, waiting for another process's lock is the boundary's; all else returns at once."""
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    if place(path) not in {"follow", "_boundary", "cli"}:
        assert [] == [call for call in calls if call.split(".")[-1] == "sleep"]


def test_the_look_at_imports_sees_them(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text(
        "import os.path\nfrom typing import TYPE_CHECKING\nfrom pychronix import errors, open_queue\n"
        "if TYPE_CHECKING:\n    from pychronix.queue import Queue\ndef f():\n    import watchdog.events\n"
    )
    found = list(imports(source))
    assert ["os.path", "typing", "pychronix", "pychronix.queue", "watchdog.events"] == [one.module for one in found]
    assert [False, False, False, True, False] == [one.types_only for one in found]
    assert {"errors", "__init__"} == own_targets(found[2])
