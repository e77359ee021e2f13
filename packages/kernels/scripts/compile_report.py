"""Compiles every kernel for devices that are not there, and prints what each needs.

    python scripts/compile_report.py [--op OPERATION] [--check] [--write]

The kernels of an operation are in ``compile_cases/<operation>.py``, what they need is in
``reports/compile/<operation>.md``. Needs triton, no GPU; must not run under TRITON_INTERPRET.
Exits 1 if a kernel spills registers, and with ``--check`` if it needs more than the table says.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path


os.environ.pop("TRITON_INTERPRET", None)

import triton
from compile_cases.case import Case
from operations import REPORTS, entries
from ptx import TARGETS, Compiled, compile_kernel


HEAD = (
    "| kernel | size | flags | dtype | device | registers | shared | spills | 16-byte loads "
    "| matrix instructions |\n|---|---|---|---|---|---|---|---|---|---|"
)
MOST_MORE_REGISTERS = 8


def main() -> int:
    """Prints the table; 1 if anything spills or, on request, grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--op", action="append", default=[], help="only this operation; repeats")
    parser.add_argument("--check", action="store_true", help="compare with reports/compile")
    parser.add_argument("--write", action="store_true", help="also write the tables there")
    parser.add_argument("--device", choices=TARGETS, help="only this one")
    parser.add_argument("--dtype", choices=("bf16", "fp32"), help="only this one")
    options = parser.parse_args()
    if options.write and (options.device or options.dtype):
        parser.error("--write writes whole tables; leave out --device and --dtype")

    compiled, wrong = 0, []
    for name, module in entries("compile_cases", options.op).items():
        table = REPORTS / "compile" / f"{name}.md"
        known = committed(table) if options.check else {}
        if options.check and not made_with_this_triton(table):
            parser.error(f"{table} is of another triton than {triton.__version__}; use --write")
        lines = [HEAD]
        print(f"\n{name}\n\n{HEAD}", flush=True)
        for key, result in measured(module.CASES, options.device, options.dtype):
            cells = (*key, *(str(n) for n in result.__dict__.values()))
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], flush=True)
            if result.spills:
                wrong.append(f"{name} {' '.join(key)}: {result.spills} bytes spilled")
            if options.check:
                wrong += [f"{name} {' '.join(key)}: {w}" for w in grown(known.get(key), result)]
        compiled += len(lines) - 1
        if options.write:
            table.write_text("\n".join([f"triton {triton.__version__}\n", *lines]) + "\n")
    print(f"\n{compiled} compiled, {len(wrong)} not as they should be", *wrong, sep="\n  ")
    return 1 if wrong else 0


def measured(
    cases: Iterable[Case], device: str | None, only: str | None
) -> Iterator[tuple[tuple[str, ...], Compiled]]:
    """Every case for every dtype and device, or for those named."""
    targets = {device: TARGETS[device]} if device else TARGETS
    for case in cases:
        for dtype in [each for each in case.dtypes if only in (None, each)]:
            for name, target in targets.items():
                result = compile_kernel(
                    case.kernel, case.pointers(dtype), case.numbers, target,
                    case.warps(target.warp_size),
                )  # fmt: skip
                yield (case.name, case.size, case.flags, dtype, name), result


def made_with_this_triton(table: Path) -> bool:
    """Whether registers can be compared: another triton's compiler uses others."""
    return not table.exists() or table.read_text().startswith(f"triton {triton.__version__}\n")


def committed(table: Path) -> dict[tuple[str, ...], list[int]]:
    """The table of the repository."""
    text = table.read_text() if table.exists() else ""
    rows = [[c.strip() for c in row.strip("|").split("|")] for row in text.split("\n")]
    rows = [row for row in rows if len(row) == 10 and row[5].isdigit()]
    return {tuple(row[:5]): [int(n) for n in row[5:]] for row in rows}


def grown(before: list[int] | None, now: Compiled) -> list[str]:
    """What became worse than the committed row."""
    if before is None:
        return ["not in reports/compile; run with --write"]
    found = []
    if now.registers > before[0] + MOST_MORE_REGISTERS:
        found.append(f"{now.registers} registers, {before[0]} before")
    if now.shared > before[1]:
        found.append(f"{now.shared} bytes of shared memory, {before[1]} before")
    if now.wide_loads < before[3]:
        found.append(f"{now.wide_loads} 16-byte loads, {before[3]} before")
    if now.matrix < before[4]:
        found.append(f"{now.matrix} matrix instructions, {before[4]} before")
    return found


if __name__ == "__main__":
    sys.exit(main())
