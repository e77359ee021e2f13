"""Checks of what only some kinds promise: backbones, tokenizers, normalisers, schedules, samplers, guidance, data."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Generator

from diptych.data.sample import Sample
from diptych.spec.part import evolved, fields_of
from diptych.testing.example import Example
from diptych.testing.modules import made
from diptych.testing.uses import given


def check_padding_on_the_left_changes_nothing(example: Example) -> None:
    """Positions count real tokens, and nobody attends to padding."""
    module, embeds = made(example, dtype=torch.float64), given(example, 1, torch.float64)["embeds"]
    mask = torch.ones(embeds.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        alone = module(embeds, mask)
        padded = module(
            torch.cat([torch.full_like(embeds[:, :2], 9.0), embeds], 1),
            torch.cat([torch.zeros(1, 2, dtype=torch.bool), mask], 1),
        )
    assert padded.isfinite().all(), "padded positions give NaN"
    off = (padded[:, 2:] - alone).abs().max().item()
    assert off <= 1e-9, f"two padded positions change the states by {off:.1e}"


def check_a_cache_gives_the_same_states(example: Example) -> None:
    """Going on with a cache equals one pass over everything."""
    module, embeds = made(example, dtype=torch.float64), given(example, 2, torch.float64)["embeds"]
    mask, cache = torch.ones(embeds.shape[:2], dtype=torch.bool), module.new_cache()
    with torch.no_grad():
        whole = module(embeds, mask)
        pieces = [module(embeds[:, :3], mask[:, :3], cache), module(embeds[:, 3:], mask, cache)]
    off = (torch.cat(pieces, 1) - whole).abs().max().item()
    assert off <= 1e-9, f"states with a cache are off by {off:.1e}"


def check_no_position_sees_what_follows(example: Example) -> None:
    """A language model reads from left to right."""
    module, embeds = made(example, dtype=torch.float64), given(example, 1, torch.float64)["embeds"]
    mask, changed = torch.ones(embeds.shape[:2], dtype=torch.bool), embeds.clone()
    changed[:, -1] += 1
    with torch.no_grad():
        before, after = module(embeds, mask), module(changed, mask)
    assert torch.equal(before[:, :-1], after[:, :-1]), "a later token changes earlier states"
    assert not torch.equal(before[:, -1], after[:, -1])


def check_ids_are_embedded(example: Example) -> None:
    """`embed` looks ids up in as many rows as the vocabulary has."""
    module, last = made(example), example.size("vocabulary") - 1
    out = module.embed(torch.tensor([[0, last]]))
    assert list(out.shape) == [1, 2, example.size("width")]


def check_text_comes_back(example: Example) -> None:
    """Text -> ids -> text loses nothing but outer space, in any script, and ids lie within the vocabulary."""
    tokenizer = example.spec.build()
    for text in ("a red square", "Kätzchen, ¿qué?", "日本語 🐈", "  spaces\n\n"):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids).strip() == text.strip(), f"{text!r} came back as {tokenizer.decode(ids)!r}"
        assert all(0 <= each < len(tokenizer) for each in ids)
    assert len(tokenizer) == example.size("vocabulary"), "`vocabulary` is not the number of ids"


def check_special_tokens_cannot_be_typed(example: Example) -> None:
    """The name of a special token in a text is text, unless asked for."""
    tokenizer = example.spec.build()
    special = getattr(example.spec, "special", ())
    assert special, "give the example some special tokens"
    for token in special:
        own = tokenizer.id_of(token)
        assert own not in tokenizer.encode(f"a {token} b")
        assert own in tokenizer.encode(f"a {token} b", special=True)
        assert token not in tokenizer.decode([own])


def check_a_tokenizer_survives_its_file(example: Example) -> None:
    """What is saved reads as the tokenizer that it was."""
    from diptych.tokenizers.file import FileTokenizer

    tokenizer = example.spec.build()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        read = FileTokenizer(path=folder, special=getattr(example.spec, "special", ())).build()
    for text in ("a red square", "日本語"):
        assert read.encode(text) == tokenizer.encode(text)
    assert len(read) == len(tokenizer)


def check_inverse_undoes_forward(example: Example) -> None:
    """What a head makes in its own units comes back in the target's, and again in its own, unchanged."""
    module, target = made(example, dtype=torch.float64), given(example, 3, torch.float64)["target"]
    normalised = module(target)
    off = (module(module.inverse(normalised)) - normalised).abs().max().item()
    assert off <= 1e-6, f"forward(inverse(x)) is off by {off:.1e}"


def check_a_schedule_leads_from_target_to_noise(example: Example) -> None:
    """Alpha falls from 1 to 0, sigma rises from 0 to 1, and the derivatives are theirs."""
    schedule = example.spec.build()
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    ends = torch.stack([alpha[0], sigma[0], alpha[-1], sigma[-1]])
    assert torch.allclose(ends, torch.tensor([1.0, 0.0, 0.0, 1.0], dtype=torch.float64), atol=1e-9)
    assert (alpha.diff() <= 0).all(), "alpha rises somewhere"
    assert (sigma.diff() >= 0).all(), "sigma falls somewhere"
    inner, step = t[1:-1], 1e-6
    for value, slope in ((schedule.alpha, schedule.d_alpha), (schedule.sigma, schedule.d_sigma)):
        numeric = (value(inner + step) - value(inner - step)) / (2 * step)
        off = (numeric - slope(inner)).abs().max().item()
        assert off <= 1e-5, f"a derivative is off by {off:.1e}"


def check_times_are_drawn_within_bounds(example: Example) -> None:
    """Times lie in [0, 1], follow from the generator alone, and differ."""
    timesteps = example.spec.build()
    before = torch.get_rng_state()
    first, again = (timesteps.draw(500, Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state()), "drawing times uses the global random state"
    assert torch.equal(first, again)
    assert list(first.shape) == [500]
    assert ((first >= 0) & (first <= 1)).all()
    assert first.std() > 0.01


def check_a_straight_path_is_followed_exactly(example: Example) -> None:
    """Under a constant velocity any sampler lands where it should, and tells its callback on the way."""
    sampler, noise = example.spec.build(), torch.randn(2, 3, generator=Generator().manual_seed(0), dtype=torch.float64)
    velocity, times, told = torch.full_like(noise, 2.0), [], []

    def constant(x: torch.Tensor, t: float) -> torch.Tensor:
        times.append(t)
        return velocity

    kept = noise.clone()
    end = sampler.sample(constant, noise, lambda *step: told.append(step))
    assert torch.equal(noise, kept), "the sampler changes the noise that it is given"
    off = (end - (noise - velocity)).abs().max().item()
    assert off <= 1e-9, f"a straight path ends {off:.1e} off"
    assert end.dtype == noise.dtype
    assert all(0 <= t <= 1 for t in times), "velocities are asked for outside [0, 1]"
    assert times == sorted(times, reverse=True), "times do not fall"
    assert told, "the callback is never called"


def check_more_steps_come_closer(example: Example) -> None:
    """On dx/dt = x, more steps end closer to the solution."""
    if "steps" not in {each.name for each in fields_of(example.spec)}:
        return
    noise, errors = torch.ones(1, 1, dtype=torch.float64), []
    for steps in (4, 16):
        end = evolved(example.spec, steps=steps).build().sample(lambda x, t: x, noise)
        errors.append(abs(end.item() - float(torch.exp(torch.tensor(-1.0)))))
    assert errors[1] < errors[0] / 2, f"4 steps are {errors[0]:.1e} off, 16 steps {errors[1]:.1e}"


def check_guidance_agrees_where_predictions_agree(example: Example) -> None:
    """Where the null prediction is the conditional one there is nothing to guide; samples are guided each alone."""
    guidance = example.spec.build()
    both = torch.randn(3, 4, 5, generator=Generator().manual_seed(0), dtype=torch.float64)
    null = torch.randn(3, 4, 5, generator=Generator().manual_seed(1), dtype=torch.float64)
    for t in (1.0, 0.5, 0.0):
        assert isinstance(guidance.needs_null(t), bool)
        assert torch.allclose(guidance.combine(both, both, t), both, atol=1e-9)
        together = guidance.combine(both, null, t)
        alone = torch.cat([guidance.combine(both[i : i + 1], null[i : i + 1], t) for i in range(3)])
        assert torch.allclose(together, alone, atol=1e-12), "guidance mixes samples"
        if not guidance.needs_null(t):
            assert torch.equal(guidance.combine(both, None, t), both)


def check_a_sample_is_a_function_of_its_index(example: Example) -> None:
    """Asked again, in another order, or of a fresh stream, a dataset gives the same sample; indices differ."""
    one, other = example.spec.build(), example.spec.build()
    before = torch.get_rng_state()
    forwards = [one.sample(index) for index in range(4)]
    backwards = [other.sample(index) for index in reversed(range(4))][::-1]
    assert torch.equal(before, torch.get_rng_state())
    for a, b in zip(forwards, backwards, strict=True):
        assert isinstance(a, Sample)
        assert _said(a) == _said(b), "a sample depends on what was asked for before"
    assert len({str(_said(each)) for each in forwards}) > 1, "every index gives the same sample"


def _said(sample: Sample) -> list[tuple[str, str, list[bytes]]]:
    return [(t.role, t.text(), [np.asarray(p).tobytes() for p in t.pictures()]) for t in sample.turns]


FUNCTION_CHECKS: dict[str, list[Callable[[Example], None]]] = {
    "backbone": [
        check_padding_on_the_left_changes_nothing,
        check_a_cache_gives_the_same_states,
        check_no_position_sees_what_follows,
        check_ids_are_embedded,
    ],
    "tokenizer": [check_text_comes_back, check_special_tokens_cannot_be_typed, check_a_tokenizer_survives_its_file],
    "normaliser": [check_inverse_undoes_forward],
    "noise_schedule": [check_a_schedule_leads_from_target_to_noise],
    "timesteps": [check_times_are_drawn_within_bounds],
    "sampler": [check_a_straight_path_is_followed_exactly, check_more_steps_come_closer],
    "guidance": [check_guidance_agrees_where_predictions_agree],
    "dataset": [check_a_sample_is_a_function_of_its_index],
}
