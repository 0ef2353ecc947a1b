"""The examples of docs/methods.md run, one after the other, and call whom they say they call."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import pychronix as px

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "methods.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    first, relay = EXAMPLES
    module = types.ModuleType("example")  # known by its name, as dataclasses and type hints want their module
    monkeypatch.setitem(sys.modules, "example", module)
    names: dict[str, Any] = vars(module)
    exec(compile(first, "docs/methods.md", "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert ["order Order(id=7, px=1.5)", "cancel 7 too late"] == said[::2]
    exec(compile(relay, "docs/methods.md", "exec"), names)
    with px.open_queue("relayed") as relayed:
        (payload,) = relayed.tailer()
    assert ((1, int(said[1], 16)),) == px.Document(payload).history.sources  # type: ignore[union-attr]
    assert capsys.readouterr().out.startswith(f"(1, {int(said[1], 16)}) ")
