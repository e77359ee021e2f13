"""Per-channel normalisation: fitted in any batches, inverted exactly, refused before."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diptych.errors import DataError, RequestError
from diptych_encoders.channel_statistics import ChannelStatistics


def targets(channels: int, count: int = 40, seed: int = 0) -> Tensor:
    """Make `[count 3 channels]` with means and scales that differ by channel."""
    own = torch.Generator().manual_seed(seed)
    scale = torch.rand(channels, generator=own) * 3 + 0.2
    shift = torch.randn(channels, generator=own) * 5
    return torch.randn(count, 3, channels, generator=own) * scale + shift


@settings(deadline=None, max_examples=25)
@given(channels=st.integers(1, 9), split=st.integers(1, 41), seed=st.integers(0, 99))
def test_batches_of_any_size_fit_the_same(channels: int, split: int, seed: int) -> None:
    data = targets(channels, seed=seed)
    once, parts = (ChannelStatistics(channels=channels).build() for _ in range(2))
    once.fit([data])
    parts.fit(iter(data.split(split)))
    torch.testing.assert_close(parts.mean, once.mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(parts.std, once.std, rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(channels=st.integers(1, 9), seed=st.integers(0, 99))
def test_inverse_undoes_it_and_moments_are_standard(channels: int, seed: int) -> None:
    data = targets(channels, seed=seed)
    module = ChannelStatistics(channels=channels).build()
    module.fit([data])
    normal = module(data)
    torch.testing.assert_close(module.inverse(normal), data, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(normal.mean((0, 1)), torch.zeros(channels), atol=1e-4, rtol=0)
    std = normal.std((0, 1), correction=0)
    torch.testing.assert_close(std, torch.ones(channels), atol=1e-4, rtol=0)


def test_large_offsets_do_not_cancel() -> None:
    data = targets(4).double() + 1e7
    module = ChannelStatistics(channels=4).build()
    module.fit(data.split(3))
    expected = data.std((0, 1), correction=0)
    torch.testing.assert_close(module.std.double(), expected, rtol=1e-5, atol=0)


def test_a_channel_that_never_moves_is_only_bounded() -> None:
    data = targets(3)
    data[..., 1] = 7.0
    module = ChannelStatistics(channels=3, floor=0.01).build()
    module.fit([data])
    assert module.std[1] > 0
    torch.testing.assert_close(module(data)[..., 1], torch.zeros(40, 3))
    module.fit([torch.full((4, 2, 3), 2.0)])
    assert torch.equal(module.std, torch.ones(3))


def test_use_before_fitting_is_refused_and_says_how() -> None:
    module = ChannelStatistics(channels=3).build()
    with pytest.raises(RequestError, match=r"call `fit\(batches of targets \[b n 3\]\)`"):
        module(torch.zeros(1, 2, 3))
    with pytest.raises(RequestError, match="no statistics"):
        module.inverse(torch.zeros(1, 2, 3))


def test_statistics_travel_with_the_state_dict() -> None:
    module, other = (ChannelStatistics(channels=3).build() for _ in range(2))
    module.fit([targets(3)])
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(targets(3, seed=1)), module(targets(3, seed=1)))
    copied = copy.deepcopy(module)
    assert torch.equal(copied(targets(3, seed=1)), module(targets(3, seed=1)))
    module.load_state_dict(ChannelStatistics(channels=3).build().state_dict())
    with pytest.raises(RequestError):
        module(targets(3))


def test_statistics_given_to_a_meta_module_count() -> None:
    module = ChannelStatistics(channels=3).build()
    module.fit([targets(3)])
    with torch.device("meta"):
        other = ChannelStatistics(channels=3).build()
        assert other(torch.zeros(1, 2, 3)).shape == (1, 2, 3)  # costs are counted on meta
    other.load_state_dict(module.state_dict(), assign=True)
    assert torch.equal(other(targets(3)), module(targets(3)))


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([torch.zeros(1, 2, 4)], "3 channels cannot be fitted on a batch of shape"),
        ([torch.full((1, 2, 3), float("nan"))], "not finite"),
        ([], "at least two vectors.* given 0"),
        ([torch.zeros(1, 1, 3)], "given 1"),
    ],
)
def test_bad_batches_leave_it_as_it_was(batches: list[Tensor], message: str) -> None:
    module = ChannelStatistics(channels=3).build()
    module.fit([targets(3)])
    before = module.mean.clone()
    with pytest.raises(DataError, match=message):
        module.fit(batches)
    assert torch.equal(module.mean, before)
    module(targets(3))


def test_traces_whole_and_keeps_dtype() -> None:
    module = ChannelStatistics(channels=3).build()
    module.fit([targets(3)])
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(targets(3)), module(targets(3)))
    assert module(targets(3).bfloat16()).dtype == torch.bfloat16
    assert module.double()(targets(3).double()).dtype == torch.float64
