import re
from pathlib import Path


README = Path(__file__).parents[1] / "README.md"


def test_the_example_runs():
    example = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(example.group(1), names)
    assert names["sampled"].shape == (8, 16, 32)
