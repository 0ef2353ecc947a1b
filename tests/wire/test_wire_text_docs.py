"""The examples of docs/wire.md, "As text", and their output."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import yaml

from pychronix.wire import Typed, value_to_yaml

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "wire.md").read_text()
SECTION = PAGE[PAGE.index("## As text") :]


def test_the_example_of_documents_as_text() -> None:
    found = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", SECTION, re.DOTALL)
    assert found is not None
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(found[1], {"__name__": "__main__"})
    assert found[2] == said.getvalue()


def test_the_loader_for_pyyaml() -> None:
    found = re.search(r"```python\n(import yaml\n.*?)```", SECTION, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)
    text = value_to_yaml({"a": Typed("T", {"x": 1}), "s": Typed("!set", ["y"]), "b": b"\1", "n": None})
    assert {"a": {"x": 1}, "s": ["y"], "b": b"\1", "n": None} == yaml.load(text, Loader=names["Loader"])


def test_every_difference_of_the_table_of_yaml_is_shown_so() -> None:
    for value, text in (
        (1 << 40, "1099511627776"),
        ("true", '!String "true"'),
        (1e300, "1.0e+300"),
        (b"\1\2", "!!binary AQI="),
    ):
        assert f"`{text}`" in SECTION
        assert f"{text}\n" == value_to_yaml(value)
