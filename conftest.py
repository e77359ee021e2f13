"""For all tests of the workspace at once: Triton's interpreter must be chosen before anything imports Triton."""

from __future__ import annotations

import os
from pathlib import Path


if not Path("/dev/nvidia0").exists():
    os.environ.setdefault("TRITON_INTERPRET", "1")
