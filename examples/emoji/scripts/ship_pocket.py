"""Puts a trained pocket model into the package, as float16 without what only training needs.

python examples/emoji/scripts/ship_pocket.py runs/pocket/model
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import diptych


def main() -> None:
    """Read a checkpoint folder and write the shipped one."""
    target = Path(__file__).parent.parent / "src/diptych_emoji/weights/pocket"
    diptych.load(sys.argv[1]).save(target, dtype=torch.float16)
    size = sum(each.stat().st_size for each in target.rglob("*") if each.is_file())
    print(f"{target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
