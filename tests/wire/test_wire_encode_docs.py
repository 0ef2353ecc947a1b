"""The example of docs/wire.md, "Writing documents", and its output."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "wire.md").read_text()


def test_the_example_of_writing_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = PAGE[PAGE.index("## Writing documents") :]
    found = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", section, re.DOTALL)
    assert found is not None
    monkeypatch.chdir(tmp_path)
    said = io.StringIO()
    names: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.redirect_stdout(said):
        exec(found[1], names)
    assert said.getvalue() == found[2]
