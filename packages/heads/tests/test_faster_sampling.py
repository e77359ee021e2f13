"""What a call computes once, and that the picture stays that of the plain loop."""

from collections import Counter

import pytest
import torch
from head_cases.small import CONDITION, GRID, NETWORKS, normal, shaken

from diptych.seeds import generators
from diptych_heads.guidance.specs import ClassifierFree
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.networks import lumina_next, time_waves
from diptych_heads.samplers.specs import AdamsBashforth2, Euler


MASK = torch.tensor([[True] * 5, [False, False, True, True, True], [True, True, False, True, True]])


def head_of(name, dtype=torch.float64):
    return shaken(FlowMatching(network=NETWORKS[name], **GRID).build()).to(dtype)


class Unaware(torch.nn.Module):
    """A network that offers nothing beyond the contract."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def prepare(self, condition, mask):
        return self.network.prepare(condition, mask)

    def forward(self, x, t, context):
        return self.network(x, t, context)


@pytest.mark.parametrize("name", ["lumina-next", "dit", "dit-learned"])
@pytest.mark.parametrize("mask", [None, MASK])
def test_the_collapsed_null_branch_is_the_whole_one(name, mask):
    head, condition = head_of(name), normal(3, 5, CONDITION).double()
    how = (Euler(4).build(), ClassifierFree(scale=3.0).build())
    found = head.sample(condition, mask, generators([1, 2, 3]), *how)
    head.network = Unaware(head.network)
    whole = head.sample(condition, mask, generators([1, 2, 3]), *how)
    torch.testing.assert_close(found, whole, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["lumina-next", "dit"])
def test_gradients_of_the_collapsed_branch(name):
    network = head_of(name).network
    condition, x = normal(2, 5, CONDITION).double(), normal(4, 6, 2, 4).double()
    t, grads = torch.full((4,), 0.4), []
    null = torch.zeros_like(condition)
    for context in (
        network.with_null(network.prepare(condition), 2),
        network.prepare(torch.cat([condition, null])),
    ):
        network.zero_grad()
        network(x, t, context).square().sum().backward()
        grads.append([each.grad.clone() for each in network.parameters()])
    for mine, whole in zip(*grads, strict=True):
        torch.testing.assert_close(mine, whole, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("steps", [1, 7])
def test_what_does_not_change_is_computed_once(steps, monkeypatch):
    """Whatever the number of steps; the null branch asks no queries."""
    head, calls = head_of("lumina-next", torch.float32), Counter()
    network, rows = head.network, []

    def count(name, module):
        module.register_forward_hook(lambda *_: calls.update([name]))

    count("projection", network.caption_projection)
    count("pooled", network.time_caption_embed.caption_embedder)
    for layer in network.layers:
        count("keys", layer.attn2.to_k)
        count("values", layer.attn2.to_v)
        layer.attn2.to_q.register_forward_hook(lambda _, given, __: rows.append(len(given[0])))
    for module, name in ((lumina_next, "rope_table"), (time_waves, "sinusoid_frequencies")):
        function = getattr(module, name)
        monkeypatch.setattr(
            module,
            name,
            lambda *a, _n=name, _f=function, **k: calls.update([_n]) or _f(*a, **k),
        )
    how = (AdamsBashforth2(steps).build(), ClassifierFree(start=0.9).build())
    head.sample(normal(3, 4, CONDITION), None, generators([1, 2, 3]), *how)
    layers = len(network.layers)
    # for the condition, and for the null condition where a step needs it; it needs no keys
    branches = 1 if steps == 1 else 2
    assert calls == {
        "projection": branches,
        "pooled": branches,
        "keys": layers,
        "values": branches * layers,
        "rope_table": 1,
        "sinusoid_frequencies": 1,
    }
    assert rows == [3] * steps * layers


def test_same_picture_as_the_plain_loop_over_diffusers():
    pytest.importorskip("diffusers")
    from diptych_heads.benchmarks.sampling import sides

    plain, ours = sides(width=64, depth=3, batch=2, side=4, queries=6, steps=30)
    found = ours()
    torch.testing.assert_close(found, plain(), atol=1e-4, rtol=0)
    assert found.std() > 0.1
