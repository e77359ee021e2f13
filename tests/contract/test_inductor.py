"""Three parts under torch's own code generator; that every part is one graph is a check of all (`traces_whole`)."""

import os
import shutil

import pytest

from diptych.testing import Example
from diptych.testing.tracing import check_traces_whole
from diptych_encoders.siglip import Siglip
from diptych_heads.decoders.specs import PatchMlp
from diptych_heads.networks.specs import LuminaNext


GRID = {"channels": 6, "height": 2, "width": 2}
PARTS = [
    Siglip(hidden_width=16, depth=1, heads=2, image_size=16, patch_size=4),
    LuminaNext(hidden_width=16, layers=1, heads=2, condition_width=5, **GRID),
    PatchMlp(pixel_patch=4, hidden_width=8, **GRID),
]
COMPILER = os.environ.get("CXX", "g++")


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"there is no C++ compiler: {COMPILER}")
@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_generated_code_gives_the_same(part, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    check_traces_whole(Example(part), backend="inductor")
