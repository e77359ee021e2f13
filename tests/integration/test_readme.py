"""The README's ten lines do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image


README = Path(__file__).parents[2] / "README.md"


def test_another_model_in_ten_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), scope)  # the README is ours
    assert Image.open(tmp_path / "out/other/heart.png").size == (64, 64)
    spec = scope["model"].spec  # type: ignore[attr-defined]
    assert type(spec.vision["eye"]).__name__ == "Siglip"
    assert type(spec.step("features").head).__name__ == "Regression"
