"""Every network, head and backbone under it is traced whole, both ways, and gives the same."""

import pytest
import torch
from attrs import evolve
from head_cases.small import CONDITION, GRID, HEADS, NETWORKS, TOKENS, normal, shaken

from diptych.backbones.hf_causal_lm import HFCausalLMSpec
from diptych.backbones.plain_transformer import PlainTransformerSpec
from diptych_heads.autoregressive.specs import Autoregressive
from diptych_heads.heads.diffusion_spec import Diffusion
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.networks.mlp_spec import Mlp
from diptych_heads.noise_schedules.specs import ScaledLinear


MLP = Mlp(hidden_width=32, layers=1, condition_width=CONDITION, **GRID)
ALL_NETWORKS = {
    "lumina-next": evolve(NETWORKS["lumina-next"], layers=1),
    "dit": NETWORKS["dit-learned"],
    "mlp": MLP,
}
DIFFUSION = Diffusion(
    network=MLP,
    prediction="noise",
    snr_limit=5.0,
    noise_schedule=ScaledLinear(zero_terminal=False),
    **GRID,
)
FLOW = FlowMatching(network=MLP, prediction="clean", loss_on="velocity", **GRID)
ALL_HEADS = {"diffusion": DIFFUSION, "flow-matching": FLOW}
BACKBONES = {
    "plain-transformer": PlainTransformerSpec(width=16, layers=1, heads=2, vocabulary=9),
    "hf-causal-lm": HFCausalLMSpec(
        model_type="qwen3", width=16, layers=1, heads=2, mlp_width=16, vocabulary=9
    ),
}
WRITERS = {
    "own": Autoregressive(codes=7, condition_width=16, height=2, width=2, positions="2d"),
    "backbone": Autoregressive(
        codes=7, condition_width=16, height=2, width=2, ids="backbone", first_id=1
    ),
}
REGRESSIONS = [name for name in HEADS if name.startswith("regression")]


def whole(function):
    torch._dynamo.reset()
    return torch.compile(function, backend="aot_eager", fullgraph=True)


def agree(plain, compiled, module):
    """Compare outputs, and the gradients of all parameters."""
    found = []
    for run in (plain, compiled):
        module.zero_grad()
        out = run()
        out.square().mean().backward()
        grads = [each.grad.clone() for each in module.parameters() if each.grad is not None]
        found.append([out.detach(), *grads])
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ALL_NETWORKS)
def test_networks(name):
    """With a guided context: conditional samples first, then samples under the null condition."""
    network = shaken(ALL_NETWORKS[name].build())
    x, t = normal(4, GRID["channels"], GRID["height"], GRID["width"]), torch.full((4,), 0.3)
    condition, mask = normal(2, TOKENS, CONDITION), torch.ones(2, TOKENS, dtype=torch.bool)
    mask[0, :3] = False

    def run(x, t, condition, mask):
        return network(x, t, network.with_null(network.prepare(condition, mask), 2))

    compiled, given = whole(run), (x, t, condition, mask)
    agree(lambda: run(*given), lambda: compiled(*given), network)


@pytest.mark.parametrize("name", ALL_HEADS)
def test_losses(name):
    head = shaken(ALL_HEADS[name].build())
    t, noise = torch.tensor([0.2, 0.9]), normal(2, TOKENS, 6, seed=3)
    given = (t, noise, normal(2, TOKENS, 6), normal(2, TOKENS, CONDITION), None)
    compiled = whole(head.loss_at)
    agree(lambda: head.loss_at(*given), lambda: compiled(*given), head)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_readouts(name):
    head, condition = shaken(HEADS[name].build()), normal(2, TOKENS, CONDITION)
    compiled = whole(head.readout)
    agree(lambda: head.readout(condition, None), lambda: compiled(condition, None), head)


@pytest.mark.parametrize(
    ("ids", "name"), [("own", "plain-transformer"), ("backbone", "hf-causal-lm")]
)
def test_writing_ids_through_a_backbone(ids, name):
    """Logits of a whole picture after a padded prompt, through the head's tables and backbone."""
    backbone, head = shaken(BACKBONES[name].build()), shaken(WRITERS[ids].build())
    mask = torch.tensor([[False, True, True], [True] * 3])

    def run(picture, condition, mask):
        embeds = torch.cat([condition, head.embed(picture[:, :-1], backbone)], 1)
        seen = torch.cat([mask, mask.new_ones(picture[:, :-1].shape)], 1)
        return head.table.logits(backbone(embeds, seen)[:, 2:], backbone)

    given = torch.tensor([[0, 6, 2, 3], [4, 4, 5, 1]]), normal(2, 3, 16), mask
    compiled, both = whole(run), torch.nn.ModuleList([backbone, head])
    agree(lambda: run(*given), lambda: compiled(*given), both)
