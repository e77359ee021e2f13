"""Costs: parameters as built, FLOPs that add up, and a model of any size measured without allocating it."""

import json
import subprocess
import sys

import attrs
import pytest
import torch
import yaml
from core_cases.examples import examples
from core_cases.small import HF, MODEL, model_data, model_spec
from core_cases.text import with_text
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import diptych
from diptych.costs import costs
from diptych.errors import SpecError
from diptych.ports import Port, Ports
from diptych.spec.files import merge
from diptych.spec.model import ModelSpec
from diptych.spec.part import InlinePart
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve


def counted(model):
    """Count a built model's parameters by slot, shared ones once."""
    return sum(each.numel() for each in model.parts.parameters())


tiny = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["plain-transformer", "hf-causal-lm"]),
        "heads": st.sampled_from([1, 2]),
        "width": st.integers(1, 4),
        "layers": st.integers(1, 2),
        "patch": st.sampled_from([4, 8, 16]),
        "queries": st.sampled_from(["latent-queries", "concat"]),
        "positions": st.booleans(),
        "hidden": st.integers(1, 9),
    }
)


@given(tiny)
@examples(8)
def test_parameters_are_those_of_the_built_model(sizes):
    width = 4 * sizes["heads"] * sizes["width"]
    tokens = (16 // sizes["patch"]) ** 2
    condition = {"type": "latent-queries", "count": tokens}
    if sizes["queries"] == "concat":
        condition = {"type": "concat", "of": [condition]}
    data = model_data(
        vision={"eye": {"patch_size": sizes["patch"]}},
        understand={"connector": {"positions": sizes["positions"]}},
        decode={"decoder": {"hidden": sizes["hidden"], "patch_size": sizes["patch"]}},
    )
    data["backbone"] = {"type": sizes["kind"], "width": width, "layers": sizes["layers"], "heads": sizes["heads"]}
    data["generate"] = [{**data["generate"][0], "condition": condition}]
    spec = structure(data, ModelSpec)
    measured, model = costs(resolve(spec)), diptych.build(spec)
    assert sum(measured.parameters.values()) == counted(model)
    assert measured.parameters["backbone"] == sum(p.numel() for p in model.parts.backbone.parameters())
    assert measured.memory["weights/float32"] == 4 * sum(
        each.numel() for each in [*model.parts.parameters(), *model.parts.buffers()]
    )
    assert measured.memory["training/adamw"] == 16 * counted(model)


def test_shared_tensors_count_once():
    tied, untied = (
        costs(resolve(structure(merge(MODEL, merge(HF, {"backbone": {"tied": tied}})), ModelSpec)))
        for tied in (True, False)
    )
    vocabulary = resolve(model_spec()).spec.backbone.vocabulary
    assert untied.parameters["backbone"] - tied.parameters["backbone"] == vocabulary * 16


def test_flops_of_a_readable_model():
    measured = costs(resolve(model_spec()))
    assert set(measured.flops) == {"image understood", "image generated", "training sample"}
    longer = costs(resolve(model_spec(backbone={"layers": 4})))
    assert longer.flops["image generated"] > measured.flops["image generated"]
    only = costs(resolve(structure({**model_data(), "generate": [], "decode": None}, ModelSpec)))
    assert set(only.flops) == {"image understood", "training sample"}
    assert only.flops["training sample"] == 3 * only.flops["image understood"]
    assert only.flops["image understood"] == measured.flops["image understood"]


def test_the_connector_flops_are_exact():
    small, large = (costs(resolve(model_spec(understand={"connector": {"hidden": h}}))) for h in (10, 11))
    # four tokens, one more hidden number: 192 multiply-adds in, 16 out, each two operations
    assert large.flops["image understood"] - small.flops["image understood"] == 2 * 4 * (192 + 16)


def test_a_weight_may_be_what_a_module_inside_is_given():
    """Torch's counter once failed on a parameter that goes straight into a submodule, as learned queries do."""

    class Queries(nn.Module):
        def __init__(self):
            super().__init__()
            self.queries, self.map = nn.Parameter(torch.ones(1, 4, 192)), nn.Linear(192, 16)

        def forward(self, features):
            return self.map(self.queries) + 0 * self.map(features)

    ports = Ports(inputs={"features": Port("b n given")}, outputs={"tokens": Port("b n made")})
    module = Queries().to("meta")
    part = InlinePart("connector", module, ports, {"given": 192, "made": 16})
    spec = attrs.evolve(model_spec(), understand=attrs.evolve(model_spec().understand, connector=part))
    assert costs(resolve(spec)).flops["image understood"] > 0
    assert all(each.requires_grad for each in module.parameters())


def test_text_heads_cost_nothing_here():
    assert costs(resolve(with_text(model_spec()))).parameters == costs(resolve(model_spec())).parameters


IMPOSSIBLE = [
    ({"backbone": {**HF["backbone"], "model_type": "no-such-family"}}, "backbone"),
    ({"backbone": {**HF["backbone"], "extra": {"hidden_act": "no-such-function"}}}, "backbone"),
    ({"backbone": {**HF["backbone"], "extra": {"hidden_size": "wide"}}}, "backbone"),
    ({"backbone": {"width": 2**50, "heads": 2}}, "backbone"),
    (
        {"vision": {"eye": {"type": "patches", "image_size": 16, "patch_size": 8}, "type": {"type": "patches"}}},
        "vision",
    ),
    ({"vision": {"eye": {"type": "patches", "image_size": 16, "patch_size": 8}, "pop": {"type": "patches"}}}, "vision"),
]


@pytest.mark.parametrize(("change", "path"), IMPOSSIBLE)
@pytest.mark.parametrize("task", [costs, lambda resolved: diptych.build(resolved.spec)], ids=["costs", "build"])
def test_what_cannot_be_built_is_a_problem_of_its_part(change, path, task):
    resolved = resolve(model_spec(**change))
    with pytest.raises(SpecError) as caught:
        task(resolved)
    (problem,) = caught.value.problems
    assert problem.path.split(".")[0] in (path, "")  # at the top: each can be built, but they do not run together


SEVEN = {
    **MODEL,
    "backbone": {
        "type": "hf-causal-lm",
        "model_type": "qwen3",
        "width": 4096,
        "layers": 36,
        "heads": 32,
        "kv_heads": 8,
        "head_width": 128,
        "mlp_width": 12288,
        "extra": {"vocab_size": 151936},
        "tied": False,
    },
    "generate": [{**MODEL["generate"][0], "condition": {"type": "latent-queries", "count": 4}}],
}


def test_eight_billion_parameters_are_measured_without_being_allocated(tmp_path):
    (tmp_path / "large.yaml").write_text(yaml.safe_dump(SEVEN))
    code = (
        "import resource, sys\n"
        "from diptych.cli.main import main\n"
        "import torch, transformers, diptych.costs, diptych.backbones.hf_module\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try:\n    main(['check', {str(tmp_path / 'large.yaml')!r}, '--json'])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, file=sys.stderr)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    parameters = sum(json.loads(out.stdout)["parameters"].values())
    assert 8.1e9 < parameters < 8.3e9  # Qwen3-8B has 8.19e9
    assert int(out.stderr.splitlines()[-1]) < 500_000  # kB, where the weights alone would be 32 GB
