"""docs/parity-encoders.md has a line for every encoder, autoencoder and image tokenizer of diptych-encoders."""

import re
from pathlib import Path

import pytest

from diptych.plugins import registry


PAGE = Path(__file__).parents[2] / "docs" / "parity-encoders.md"
PARTS = [
    entry.component.name
    for kind in ("encoder", "autoencoder", "image_tokenizer")
    for entry in registry().entries(kind)
    if entry.distribution == "diptych-encoders"
]


@pytest.mark.parametrize("name", PARTS)
def test_every_part_was_measured_and_is_within_bounds(name):
    line = rf"^\| `{re.escape(name)}` \|.*\| (\S+) \| (\S+) \|$"
    rows = re.findall(line, PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows, "run `python packages/encoders/scripts/write_parity.py`"
    assert all(float(error) <= float(allowed) for error, allowed in rows)
