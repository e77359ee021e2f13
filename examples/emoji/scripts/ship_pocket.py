"""Puts a trained pocket model into the package, as float16 without what only training needs.

python examples/emoji/scripts/ship_pocket.py runs/pocket/model [0.93,0.88,…]

The numbers are times at which its sampler stops, as `python -m diptych_heads.benchmarks.find_times` finds for weights:
they belong to these, not to the model spec.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from attrs import evolve

import diptych
from diptych_heads.samplers.adams_moulton_spec import AdamsMoulton


def main() -> None:
    """Read a checkpoint folder and write the shipped one."""
    target = Path(__file__).parent.parent / "src/diptych_emoji/weights/pocket"
    model = diptych.load(sys.argv[1])
    if len(sys.argv) > 2:
        times = tuple(map(float, sys.argv[2].split(",")))
        (step,) = model.spec.generate
        stops = evolve(step, sampler=AdamsMoulton(len(times) + 1, times=times))
        model.spec = evolve(model.spec, generate=(stops,))
    model.save(target, dtype=torch.float16)
    size = sum(each.stat().st_size for each in target.rglob("*") if each.is_file())
    print(f"{target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
