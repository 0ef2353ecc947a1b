"""The examples of docs/bulk.md run, and hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "bulk.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_there_are_examples() -> None:
    assert 2 == len(EXAMPLES)


@pytest.mark.parametrize("code", EXAMPLES, ids=["in bulk", "codecs"])
def test_an_example(code: str, tmp_path: Path) -> None:
    assert "/tmp/" in code
    exec(compile(code.replace("/tmp/", f"{tmp_path}/"), "docs/bulk.md", "exec"), {})
