"""Both parts in a whole model: read from its file, trained a little, painting."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest
import torch

import diptych
from diptych.errors import RequestError, SpecError
from diptych.spec.files import find_file, read_spec
from diptych.spec.recipe import Recipe
from diptych.spec.wiring import resolve
from diptych_template.conv_patches import ConvPatches
from diptych_template.gaussian_module import GaussianHead


torch.set_num_threads(1)


def test_sizes_follow_from_the_encoder() -> None:
    head = resolve(read_spec("template", overrides=["vision.eye.width=40"])).spec.step("features").head
    assert (head.condition_width, head.channels, head.height, head.width) == (64, 40, 4, 4)


def test_impossible_sizes_name_the_place() -> None:
    with pytest.raises(SpecError, match=r"vision\.eye.*patch_size 5 must be even and divide image_size 32"):
        read_spec("template", overrides=["vision.eye.patch_size=5"])


def test_it_trains_and_paints(tmp_path: Path) -> None:
    recipe = read_spec("template-recipe", Recipe)
    stages = tuple(attrs.evolve(stage, steps=2, batch=4) for stage in recipe.stages)
    diptych.train(attrs.evolve(recipe, stages=stages), tmp_path, quiet=True)
    model = diptych.load(tmp_path / "model")
    together = model.generate(["a red square at the top left", "two"], n=2, seed=3)
    (alone,) = model.generate("two", seed=4)
    assert [picture.size for picture in together] == [(32, 32)] * 4
    assert np.abs(np.asarray(together[3], int) - np.asarray(alone, int)).max() <= 1
    assert np.abs(np.asarray(together[2], int) - np.asarray(together[3], int)).max() > 1  # another seed


def test_the_head_learns_a_mean_and_how_sure_it_is() -> None:
    torch.manual_seed(0)
    head = GaussianHead(4, tokens=2, channels=1, hidden=16, spread=1.0)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.01)
    mean, sigma = torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.2], [2.0]])
    for _ in range(300):
        loss = head.loss(mean + sigma * torch.randn(256, 2, 1), torch.ones(256, 1, 4), None, None).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    learned_mean, learned_log_sigma = head(torch.ones(1, 1, 4), None)
    torch.testing.assert_close(learned_mean[0], mean, atol=0.2, rtol=0)
    torch.testing.assert_close(learned_log_sigma[0].exp(), sigma, atol=0, rtol=0.15)


def test_masked_tokens_change_nothing() -> None:
    head = GaussianHead(4, tokens=2, channels=3, hidden=8, spread=0.0)
    condition, mask = torch.randn(1, 5, 4), torch.tensor([[False, True, True, True, False]])
    torch.testing.assert_close(head(condition, mask), head(condition[:, 1:4], None))


def test_a_sampler_is_refused() -> None:
    head = GaussianHead(4, tokens=2, channels=3, hidden=8, spread=0.0)
    with pytest.raises(RequestError, match="leave `sampler` and `guidance` out"):
        head.sample(torch.zeros(1, 1, 4), None, [torch.Generator()], sampler=object())


def test_the_encoder_looks_past_its_patch() -> None:
    encoder = ConvPatches(image_size=16, patch_size=8, width=4).build()
    dark, dot = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    dot[..., 0, 7] = 1  # last column of the first patch, seen by the first window of the second
    changed = (encoder(dark) != encoder(dot)).any(-1)[0]
    assert changed.tolist() == [True, True, False, False]


def test_names_of_files_are_found() -> None:
    assert find_file("template").is_file()
    assert find_file("template-recipe").is_file()
