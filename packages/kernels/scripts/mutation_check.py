"""Plants faults, one at a time, and prints which test finds each.

    python scripts/mutation_check.py [words of a fault's name] [--op OPERATION] [--write]

The faults of an operation are in ``faults/<operation>.py``, what was found goes to
``reports/mutations/<operation>.md``. Each fault is planted in a copy of the source; the working
tree is not touched. Exits 1 if the tests fail without a fault, or if a fault survives.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from faults.fault import Fault
from operations import REPORTS, entries


PACKAGE = Path(__file__).resolve().parents[1]
HEAD = "| fault | | found by |\n|---|---|---|"


def main() -> int:
    """Runs the check and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="plant only faults whose names contain these")
    parser.add_argument("--op", action="append", default=[], help="only this operation; repeats")
    parser.add_argument("--write", action="store_true", help="also write the tables to reports/")
    options = parser.parse_args()
    planted = survived = 0
    for name, module in entries("faults", options.op).items():
        faults = [f for f in module.FAULTS if all(word in f.name for word in options.only)]
        if not faults:
            continue
        print(f"\n{name}\n\n{HEAD}", flush=True)
        lines = check(faults, module.TESTS)
        planted += len(faults)
        survived += sum("SURVIVED" in line for line in lines)
        if options.write:
            (REPORTS / "mutations" / f"{name}.md").write_text("\n".join([HEAD, *lines]) + "\n")
    print(f"\n{planted - survived} of {planted} faults killed")
    return 1 if survived or not planted else 0


def check(faults: list[Fault], tests: tuple[str, ...]) -> list[str]:
    """Plants each fault of an operation; a row of the table for each."""
    if (why := failing_test(None, tests)) is not None:
        raise SystemExit(f"the tests fail without a fault: {why}")
    lines = []
    for fault in faults:
        found = failing_test(fault, tests)
        lines.append(f"| {fault.name} | {'killed' if found else 'SURVIVED'} | {found or ''} |")
        print(lines[-1], flush=True)
    return lines


def failing_test(fault: Fault | None, tests: tuple[str, ...]) -> str | None:
    """The first test that fails with this fault planted and what it said, or None."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "src"
        shutil.copytree(PACKAGE / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        if fault is not None:
            plant(fault, source / "diptych_kernels" / fault.file)
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "--tb=short", "-p", "no:cacheprovider",
             "--show-capture=no", "-k", "not reference",
             *(str(PACKAGE / "tests" / name) for name in tests)],
            cwd=PACKAGE,
            env=os.environ | {"PYTHONPATH": str(source), "HYPOTHESIS_PROFILE": "mutation"},
            capture_output=True,
            text=True,
        )  # fmt: skip
    if result.returncode == 0:
        return None
    if result.returncode != 1:
        return f"pytest exit code {result.returncode}: {result.stdout[-300:]}{result.stderr[-300:]}"
    test = re.search(r"^FAILED \S+::(\w+)", result.stdout, re.MULTILINE)
    said = re.findall(
        r"^E +(?:\S*Error: |.*MemoryCheck\('?|.*AssertionError\('?)(.+)",
        result.stdout,
        re.MULTILINE,
    )
    return f"{test[1] if test else 'a test'}: {brief(said[-1]) if said else 'failed'}"


def plant(fault: Fault, file: Path) -> None:
    """Replaces the text; it must be there exactly once."""
    text = file.read_text()
    if text.count(fault.old) != 1:
        raise SystemExit(
            f"fault {fault.name!r}: its text occurs {text.count(fault.old)} times in {fault.file}, "
            f"not once; adapt scripts/faults to the source:\n{fault.old}"
        )
    file.write_text(text.replace(fault.old, fault.new))


def brief(message: str) -> str:
    """The message without numbers that change, in one short cell."""
    message = message.removeprefix("MemoryCheck('")
    message = re.split(r"[\\\n|(]", message)[0].strip().strip("'\"")
    return message if len(message) <= 90 else message[:87] + "..."


if __name__ == "__main__":
    sys.exit(main())
