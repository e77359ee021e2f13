"""Contract checks for parts, to be inherited by the tests of any plugin.

    import pytest
    from diptych.testing import Example, cases, name_of_case

    EXAMPLES = [Example(MyEncoder(image_size=16, width=8))]

    @pytest.mark.parametrize(("check", "example"), cases(EXAMPLES), ids=name_of_case)
    def test_contract(check, example):
        check(example)

An example is a tiny spec with all sizes given. What each kind must do is in `docs/contracts.md`; a check that fails
raises an AssertionError that says what was promised and what was found. No test framework is needed to run them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from diptych.testing.example import Example
from diptych.testing.functions import FUNCTION_CHECKS
from diptych.testing.modules import MODULE_CHECKS, USES
from diptych.testing.specs import SPEC_CHECKS
from diptych.testing.tracing import check_traces_whole


Check = Callable[[Example], None]

__all__ = ["Check", "Example", "cases", "checks_for", "name_of_case"]


def checks_for(example: Example) -> list[Check]:
    """Return every check that the kind of an example asks for."""
    kind = example.spec.kind
    modules = [*MODULE_CHECKS, check_traces_whole] if kind in USES and not example.spec_only else []
    functions = FUNCTION_CHECKS.get(kind, []) if not example.spec_only else []
    return [*SPEC_CHECKS, *modules, *functions]


def cases(examples: Iterable[Example]) -> list[tuple[Check, Example]]:
    """Pair each example with each of its checks."""
    return [(check, example) for example in examples for check in checks_for(example)]


def name_of_case(value: Check | Example) -> str:
    """Name a check or an example for a test report."""
    return str(value) if isinstance(value, Example) else value.__name__.removeprefix("check_")
