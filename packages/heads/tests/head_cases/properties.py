"""How property tests run here: the same examples each time, as long as they need."""

from hypothesis import settings


examples = settings(max_examples=40, deadline=None, derandomize=True)
