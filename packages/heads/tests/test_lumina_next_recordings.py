"""The Lumina-Next network against recordings of BLIP3-o's own."""

import pytest
import torch
from attrs import evolve
from head_cases.recordings import inner_width_of, network_of, recorded, spec_of

from diptych_heads.networks import lumina_next
from diptych_heads.networks.positions import rope_table
from diptych_heads.networks.specs import LuminaNext


CASES = ["a", "b", "c"]
F32 = {"atol": 2e-5, "rtol": 1e-5}
F32_GRADIENTS = {"atol": 1e-6, "rtol": 1e-4}


def cases(data: dict[str, torch.Tensor]) -> list[str]:
    return sorted({key.split(".")[0] for key in data if key.endswith(".x")})


def run(network, data, case, dtype=torch.float32):
    x = data[f"{case}.x"].to(dtype).requires_grad_()
    condition = data[f"{case}.z_latents"].to(dtype).requires_grad_()
    t = data[f"{case}.timestep"].double() / 1000
    out = network(x, t, network.prepare(condition))
    out.square().mean().backward()
    return out.detach(), x.grad, condition.grad


@pytest.mark.parametrize("letter", CASES)
def test_state_keys_are_the_originals(letter):
    network, data = network_of(f"dit_{letter}"), recorded(f"dit_{letter}")
    wanted = {key.removeprefix("weights.") for key in data if key.startswith("weights.")}
    assert set(network.state_dict()) == wanted


@pytest.mark.parametrize("letter", CASES)
def test_float32_outputs_and_gradients(letter):
    network, data = network_of(f"dit_{letter}"), recorded(f"dit_{letter}")
    assert len(cases(data)) == 9
    for case in cases(data):
        network.zero_grad()
        out, grad_x, grad_condition = run(network, data, case)
        torch.testing.assert_close(out, data[f"{case}.out"], **F32)
        torch.testing.assert_close(grad_x, data[f"{case}.grad_x"], **F32_GRADIENTS)
        torch.testing.assert_close(grad_condition, data[f"{case}.grad_z_latents"], **F32_GRADIENTS)
        torch.testing.assert_close(out.square().mean(), data[f"{case}.loss"], rtol=2e-6, atol=0)


@pytest.mark.parametrize("letter", CASES)
def test_float32_gradients_of_all_parameters(letter):
    network, data = network_of(f"dit_{letter}"), recorded(f"dit_{letter}")
    run(network, data, "b3_mixed")
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(
            parameter.grad, data[f"b3_mixed.grad.{name}"], rtol=1e-4, atol=1e-6, msg=name
        )


@pytest.mark.parametrize("letter", CASES)
def test_float64_with_the_recorded_tables(letter, monkeypatch):
    network, data = network_of(f"dit_{letter}").double(), recorded(f"dit_{letter}")
    table = torch.stack([data["rope.cos"], data["rope.sin"]]).double()
    frequencies = recorded("recorded_frequencies")["frequencies"]
    monkeypatch.setattr(
        lumina_next, "rope_table", lambda h, w, *_, **__: table[:, :h, :w].flatten(1, 2)
    )
    monkeypatch.setattr(lumina_next, "wave_frequencies", lambda _: frequencies)
    for case in ("b2_float_t", "b2_rect", "b3_mixed"):
        found = run(network, data, case, torch.float64)
        for mine, name in zip(found, ("out", "grad_x", "grad_z_latents"), strict=True):
            recording = data[f"{case}.{name}_pure_f64"]
            torch.testing.assert_close(mine, recording, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("letter", CASES)
def test_float64_with_own_tables(letter):
    """What is left is float32 `exp` of the recording machine, times 1000 (data/README.md)."""
    network, data = network_of(f"dit_{letter}").double(), recorded(f"dit_{letter}")
    for case in ("b2_float_t", "b2_rect", "b3_mixed"):
        out, *_ = run(network, data, case, torch.float64)
        torch.testing.assert_close(out, data[f"{case}.out_pure_f64"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("letter", CASES)
def test_rope_table(letter):
    data = recorded(f"dit_{letter}")
    wanted = torch.stack([data["rope.cos"], data["rope.sin"]]).flatten(1, 2)
    mine = rope_table(5, 5, 2 * wanted.shape[-1], device=torch.device("cpu"))
    torch.testing.assert_close(mine, wanted, atol=3e-7, rtol=0)


@pytest.mark.parametrize("letter", CASES)
def test_feed_forward_width_rule(letter):
    assert spec_of(f"dit_{letter}").inner_width == inner_width_of(f"dit_{letter}")


def test_released_sizes():
    preset = LuminaNext.preset("blip3o", condition_width=3584)
    assert preset.inner_width == 4864
    assert evolve(preset, ffn_width=None).inner_width == 4864
    counts = []
    for layers in (1, 2):
        with torch.device("meta"):
            network = evolve(preset, layers=layers).build()
        counts.append(sum(each.numel() for each in network.parameters()))
    whole = counts[0] + (preset.layers - 1) * (counts[1] - counts[0])
    assert whole == pytest.approx(1.365e9, rel=1e-3)
