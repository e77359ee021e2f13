"""The examples of the README run; the one of public weights needs a hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


README = Path(__file__).parents[1] / "README.md"


def test_the_examples_run() -> None:
    examples = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    for example in examples:
        if "load_weights" not in example:
            exec(example, names)
    assert names["features"].shape == (8, 16, 32)
    assert names["made"].features.shape[0] == 2
    assert names["made"].mask.sum(1).tolist() == [h * w for h, w in names["made"].grids]
    assert names["ids"].shape == (2, 256)
    assert names["pixels"].shape == (2, 3, 32, 32)
    assert names["usage"].counts.sum() == 512
