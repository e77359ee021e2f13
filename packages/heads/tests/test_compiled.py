"""Every network and head is traced whole, both ways, and gives what it gives plainly."""

import pytest
import torch
from attrs import evolve
from head_cases.small import CONDITION, GRID, HEADS, NETWORKS, TOKENS, normal, shaken

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
    network=MLP, noise_schedule=ScaledLinear(), prediction="noise", snr_limit=5.0, **GRID
)
FLOW = FlowMatching(network=MLP, prediction="clean", loss_on="velocity", **GRID)
ALL_HEADS = {"diffusion": DIFFUSION, "flow-matching": FLOW}
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
