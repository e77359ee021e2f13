"""How many examples hypothesis draws: HYPOTHESIS_PROFILE is ci, mutation, gpu or nightly.

Settings are put on each test, not loaded as a profile, which would change other packages' tests
in the same process.
"""

import os

from hypothesis import HealthCheck, Phase, settings

from kernel_tests.devices import DEVICE, IMPLEMENTATIONS


_EXAMPLES = {"ci": 40, "mutation": 40, "gpu": 300, "nightly": 1000}
_usual = "gpu" if DEVICE.type == "cuda" else "ci"
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", _usual)
PROFILE = PROFILE if PROFILE in _EXAMPLES else _usual

thorough = settings(
    max_examples=_EXAMPLES[PROFILE],
    deadline=None,
    derandomize=PROFILE in ("ci", "mutation"),
    database=None,
    print_blob=True,
    # A planted fault need not be made small.
    phases=[Phase.explicit, Phase.generate] + ([] if PROFILE == "mutation" else [Phase.shrink]),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
brief = settings(thorough, max_examples=max(10, _EXAMPLES[PROFILE] // 4))

# Each costs seconds to trace; Inductor's way through a reference is plain torch.
TRACED = IMPLEMENTATIONS if PROFILE == "nightly" else IMPLEMENTATIONS[-1:]
