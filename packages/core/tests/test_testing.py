"""The public contract checks hold for core's parts, and each check finds a part that breaks its promise."""

from typing import Any, ClassVar

import pytest
import torch
from attrs import frozen
from torch import nn

from diptych.backbones.plain_transformer import PlainTransformerSpec
from diptych.conditions.specs import Concat, LatentQueries, PromptStates
from diptych.connectors.patch_merger import PatchMerger
from diptych.connectors.per_token import LinearConnector, MlpConnector
from diptych.data.squares import Squares
from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting
from diptych.testing import Example, cases, checks_for, name_of_case
from diptych.testing import functions as function_checks
from diptych.testing import modules as module_checks
from diptych.testing import specs as spec_checks
from diptych.testing import tracing as tracing_checks
from diptych.tokenizers.bytes import BytesTokenizer
from diptych.vision.linear_readout import LinearReadout
from diptych.vision.patches import Patches
from diptych.vision.unpatch import Unpatch


EXAMPLES = [
    Example(PlainTransformerSpec(width=8, layers=1, heads=2, vocabulary=11)),
    Example(BytesTokenizer(special=("<|a|>",))),
    Example(Patches(image_size=8, patch_size=4)),
    Example(LinearConnector(in_width=3, out_width=5)),
    Example(MlpConnector(in_width=3, out_width=5, tokens=4, positions=True)),
    Example(PatchMerger(height=2, width=4, in_width=3, out_width=5, positions=True)),
    Example(LatentQueries(count=2, width=8)),
    Example(PromptStates(width=8)),
    Example(Concat(of=(LatentQueries(count=2, width=8), LatentQueries(count=1, width=8)), width=8)),
    Example(LinearReadout(condition_width=5, channels=3)),
    Example(Unpatch(patch_size=2, hidden=4, channels=3, grid=2)),
    Example(Squares(image_size=8)),
]


@pytest.mark.parametrize(("check", "example"), cases(EXAMPLES), ids=name_of_case)
def test_contract(check, example):
    check(example)


# -- parts that break one promise each ----------------------------------------------------------------------------


@frozen
class Broken(PartSpec):
    """A connector whose module is given by the test."""

    kind: ClassVar[str] = "connector"
    in_width: int = setting("in", default=3)
    out_width: int = setting("out", default=3)
    made: ClassVar[Any] = None

    def ports(self) -> Ports:
        return Ports(inputs={"features": Port("b n in_width")}, outputs={"tokens": Port("b n out_width")})

    def build(self) -> nn.Module:
        return type(self).made()


class Module(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.map(x)


class Narrow(Module):
    def forward(self, x):
        return self.map(x)[..., :2]


class Mixing(Module):
    def forward(self, x):
        return self.map(x) - x.mean(0)


class Rounding(Module):
    def forward(self, x):
        return self.map(x).float().to(x)


class OfOneType(Module):
    def forward(self, x):
        return self.map(x).float()


class Unreached(Module):
    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)


class Drawing(Module):
    def forward(self, x):
        return self.map(x) + torch.randn(x.shape).to(x)


class Forgetful(Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = torch.randn(3)

    def forward(self, x):
        return self.map(x) * self.hidden.to(x)


class Nan(Module):
    def forward(self, x):
        return self.map(x) / 0 * 0


class Peeking(Module):
    def forward(self, x):
        return self.map(x) * (1.0 if x.mean().item() > 0 else 2.0)


class Real(Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.ones(3, device="cpu"))


@pytest.mark.parametrize(
    ("module", "check", "says"),
    [
        (Narrow, module_checks.check_ports_are_the_real_shapes, r"'tokens' is \[3, 4, 2\]"),
        (Nan, module_checks.check_ports_are_the_real_shapes, "NaN"),
        (Mixing, module_checks.check_a_sample_does_not_depend_on_its_batch, "changes by"),
        (Rounding, module_checks.check_dtype_is_kept, "rounded to float32"),
        (OfOneType, module_checks.check_dtype_is_kept, "is torch.float32"),
        (Unreached, module_checks.check_gradient_reaches_what_trains, "no gradient reaches spare.weight"),
        (Drawing, module_checks.check_same_seed_same_result, "global random state"),
        (Forgetful, module_checks.check_saved_weights_give_the_same_bits, "after saving and loading"),
        (Real, module_checks.check_builds_and_runs_on_the_meta_device, "table are allocated"),
        (Peeking, tracing_checks.check_traces_whole, "cannot trace this part whole"),
    ],
)
def test_a_broken_promise_is_found_by_its_check(module, check, says, monkeypatch):
    monkeypatch.setattr(Broken, "made", Module)
    check(Example(Broken()))
    monkeypatch.setattr(Broken, "made", module)
    with pytest.raises(AssertionError, match=says):
        check(Example(Broken()))


def test_a_size_that_nobody_gives_is_asked_for():
    with pytest.raises(AssertionError, match="no size for axis 'in_width'"):
        Example(LinearConnector(out_width=3)).shape(LinearConnector().ports().inputs["features"], 2)


def test_a_spec_without_sentences_is_found():
    @frozen
    class Mute(PartSpec):
        """Something."""

        kind: ClassVar[str] = "connector"
        width: int = 3

    with pytest.raises(AssertionError, match=r"Mute\.width has no sentence"):
        spec_checks.check_spec_says_what_it_is(Example(Mute()))


class Straight:
    """A schedule and a sampler, right unless the test changes something."""

    kind, steps = "sampler", 4

    def build(self):
        return self

    def alpha(self, t):
        return 1 - t

    def sigma(self, t):
        return t

    def d_alpha(self, t):
        return -torch.ones_like(t)

    def d_sigma(self, t):
        return torch.ones_like(t)

    def sample(self, velocity, noise, callback=None):
        x = noise
        for step in range(4):
            x = x - velocity(x, 1 - step / 4) / 4
            if callback:
                callback(step, 1 - step / 4, x)
        return x


STRAIGHT = function_checks.check_a_straight_path_is_followed_exactly


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"d_alpha": lambda self, t: torch.ones_like(t)}, function_checks.check_a_schedule_leads_from_target_to_noise),
        ({"alpha": lambda self, t: 1 - t / 2}, function_checks.check_a_schedule_leads_from_target_to_noise),
        ({"sample": lambda self, v, x, c=None: x - v(x, 1.0) / 2}, STRAIGHT),
        ({"sample": lambda self, v, x, c=None: x - v(x, 1.0)}, STRAIGHT),
        ({"sample": lambda self, v, x, c=None: x.sub_(v(x, 1.0))}, STRAIGHT),
    ],
)
def test_broken_schedules_and_samplers_are_found(change, check, monkeypatch):
    check(Example(Straight()))
    for name, value in change.items():
        monkeypatch.setattr(Straight, name, value)
    with pytest.raises(AssertionError):
        check(Example(Straight()))


def test_every_check_has_a_sentence_and_a_kind_of_its_own():
    for example in EXAMPLES:
        found = checks_for(example)
        assert len({check.__name__ for check in found}) == len(found)
        assert all(check.__doc__ for check in found)
    only = checks_for(Example(EXAMPLES[0].spec, spec_only=True))
    assert only == spec_checks.SPEC_CHECKS
