"""The flow-matching head against recordings of BLIP3-o's training and sampling."""

import pytest
import torch
from head_cases.recordings import network_of, recorded, spec_of
from torch import Tensor, nn

from diptych.seeds import generators
from diptych_heads.guidance.classifier_free import ClassifierFreeGuidance
from diptych_heads.heads import flow_matching
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.samplers.euler import EulerSampler


def tokens(image: Tensor) -> Tensor:
    return image.flatten(2).transpose(1, 2)


class WholeTimesteps(nn.Module):
    """Tells the network times cut to whole thousandths, as BLIP3-o's sampling does."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def prepare(self, condition, mask):
        return self.network.prepare(condition, mask)

    def forward(self, x, t, context):
        return self.network(x, (t.double() * 1000 + 1e-3).floor() / 1000, context)


@pytest.fixture
def head():
    network = spec_of("blip3o_head")
    spec = FlowMatching(network=network, drop_condition=0.0, channels=32, height=4, width=4)
    head = spec.build()
    head.network = network_of("blip3o_head")
    return head


@pytest.mark.parametrize("case", ["t2i", "t2i_drop"])
def test_training_loss(head, case, monkeypatch, generator):
    data = {
        key.removeprefix(f"{case}."): value
        for key, value in recorded("blip3o_head").items()
        if key.startswith(f"{case}.")
    }
    monkeypatch.setattr(flow_matching, "normal_like", lambda *_: tokens(data["noise"]))
    head.timesteps = type("Given", (), {"draw": lambda *_: data["timesteps"] / 1000})()
    mixed = {}
    head.network.register_forward_hook(lambda _, given, out: mixed.update(x=given[0], out=out))
    loss = head.loss(tokens(data["target_latents"]), data["z_after_drop"], None, generator)
    torch.testing.assert_close(mixed["x"], data["noisy_latents"], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(mixed["out"], data["dit_out"], atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(loss.mean(), data["loss"], rtol=2e-6, atol=0)


def test_a_dropped_condition_is_what_the_original_feeds(head, generator):
    data = recorded("blip3o_head")
    kept = ~data["t2i_drop.drop"].bool()
    head.drop_condition = 0.5
    zeroed = torch.stack(
        [head.dropped(data["t2i_drop.hidden_at_queries"], generator) for _ in range(400)]
    )
    rows = (zeroed == 0).all(dim=(2, 3))
    assert rows.float().mean() == pytest.approx(0.5, abs=0.05)
    wanted = data["t2i_drop.hidden_at_queries"] * kept[:, None, None]
    torch.testing.assert_close(wanted, data["t2i_drop.z_after_drop"], atol=0, rtol=0)


@pytest.mark.parametrize(
    ("case", "steps", "scale"),
    [("sample_b2_s5", 5, 3.0), ("sample_b2_s30", 30, 3.0), ("sample_b2_s7_g1p5", 7, 1.5)],
)
def test_sampling(head, case, steps, scale, monkeypatch):
    data = recorded("blip3o_head")
    first = tokens(data[f"{case}.init_latents"])
    monkeypatch.setattr(flow_matching, "draw_noise", lambda *_, **__: first)
    head.network = WholeTimesteps(head.network)
    out = head.sample(
        data["sample.hidden"],
        None,
        generators([0, 1]),
        EulerSampler(steps),
        ClassifierFreeGuidance(scale),
    )
    torch.testing.assert_close(out, tokens(data[f"{case}.out"]), atol=5e-5, rtol=0)
