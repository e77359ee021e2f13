"""Compiles every kernel for devices that are not there, and prints what each needs.

    python scripts/compile_report.py [--check] [--write reports/compile.md]

Needs triton, no GPU; must not run under TRITON_INTERPRET. Exits 1 if a kernel spills registers,
and with ``--check`` if it needs more than the committed table says.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path


os.environ.pop("TRITON_INTERPRET", None)

from compile_cases import CASES, DTYPES
from ptx import TARGETS, Compiled, compile_kernel


TABLE = Path(__file__).resolve().parents[1] / "reports" / "compile.md"
HEAD = (
    "| kernel | width | flags | dtype | device | registers | shared | spills | 16-byte loads |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
MOST_MORE_REGISTERS = 8


def main() -> int:
    """Prints the table; 1 if anything spills or, on request, grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with reports/compile.md")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    options = parser.parse_args()

    lines, wrong = [HEAD], []
    known = committed() if options.check else {}
    print(HEAD, flush=True)
    for key, result in measured():
        cells = (*key, *(str(n) for n in result.__dict__.values()))
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
        if result.spills:
            wrong.append(f"{' '.join(key)}: {result.spills} bytes spilled")
        if options.check:
            wrong += [f"{' '.join(key)}: {why}" for why in grown(known.get(key), result)]
    print(f"\n{len(lines) - 1} compiled, {len(wrong)} not as they should be", *wrong, sep="\n  ")
    if options.write is not None:
        options.write.write_text("\n".join(lines) + "\n")
    return 1 if wrong else 0


def measured() -> Iterator[tuple[tuple[str, ...], Compiled]]:
    """Every case for every dtype and device."""
    for case in CASES:
        for dtype in DTYPES:
            for name, target in TARGETS.items():
                result = compile_kernel(
                    case.kernel, case.pointers(dtype), case.numbers(), target,
                    case.warps(target.warp_size),
                )  # fmt: skip
                yield (case.name, str(case.width), case.flags, dtype, name), result


def committed() -> dict[tuple[str, ...], list[int]]:
    """The table of the repository."""
    rows = [[c.strip() for c in row.strip("|").split("|")] for row in TABLE.read_text().split("\n")]
    return {tuple(row[:5]): [int(n) for n in row[5:]] for row in rows[2:] if len(row) == 9}


def grown(before: list[int] | None, now: Compiled) -> list[str]:
    """What became worse than the committed row."""
    if before is None:
        return ["not in reports/compile.md; run with --write reports/compile.md"]
    found = []
    if now.registers > before[0] + MOST_MORE_REGISTERS:
        found.append(f"{now.registers} registers, {before[0]} before")
    if now.shared > before[1]:
        found.append(f"{now.shared} bytes of shared memory, {before[1]} before")
    if now.wide_loads < before[3]:
        found.append(f"{now.wide_loads} 16-byte loads, {before[3]} before")
    return found


if __name__ == "__main__":
    sys.exit(main())
