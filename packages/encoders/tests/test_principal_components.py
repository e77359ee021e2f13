"""Principal components: exact where nothing is dropped, best where something is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diptych.errors import RequestError
from diptych_encoders.principal_components import PrincipalComponents


def targets(channels: int, count: int = 60, seed: int = 0) -> Tensor:
    """Make correlated `[count 3 channels]` whose variances fall by about a half from one direction to the next."""
    own = torch.Generator().manual_seed(seed)
    mixing, _ = torch.linalg.qr(torch.randn(channels, channels, generator=own))
    scale = 2.0 ** -(torch.arange(channels) / 2)
    data = torch.randn(count, 3, channels, generator=own) * scale
    return data @ mixing + torch.randn(channels, generator=own)


@settings(deadline=None, max_examples=25)
@given(channels=st.integers(1, 8), seed=st.integers(0, 99), whiten=st.sampled_from([0.0, 0.5, 1.0]))
def test_inverse_undoes_it_when_all_is_kept(channels: int, seed: int, whiten: float) -> None:
    data = targets(channels, seed=seed)
    module = PrincipalComponents(kept=channels, channels=channels, whiten=whiten).build()
    module.fit([data])
    normal = module(data)
    torch.testing.assert_close(module.inverse(normal), data, rtol=1e-4, atol=1e-4)
    assert module.variance_kept.item() == pytest.approx(1.0)
    rows = normal.reshape(-1, channels)
    covariance = rows.T @ rows / len(rows)
    assert covariance.diagonal().mean().item() == pytest.approx(1.0, abs=1e-3)
    off = covariance - covariance.diagonal().diag()
    torch.testing.assert_close(off, torch.zeros_like(off), atol=1e-3, rtol=0)
    if whiten == 1:
        torch.testing.assert_close(covariance, torch.eye(channels), atol=1e-3, rtol=0)


@settings(deadline=None, max_examples=25)
@given(split=st.integers(1, 61), seed=st.integers(0, 99))
def test_batches_of_any_size_fit_the_same(split: int, seed: int) -> None:
    data = targets(5, seed=seed)
    once, parts = (PrincipalComponents(kept=3, channels=5).build() for _ in range(2))
    once.fit([data])
    parts.fit(data.split(split))
    torch.testing.assert_close(parts(data), once(data), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kept", [1, 3, 5])
def test_error_is_the_variance_that_was_dropped(kept: int) -> None:
    data = targets(6)
    module = PrincipalComponents(kept=kept, channels=6).build()
    module.fit([data])
    normal = module(data)
    assert normal.shape == (60, 3, kept)
    lost = (module.inverse(normal) - data).square().mean()
    share = lost / (data - data.mean((0, 1))).square().mean()
    assert module.variance_kept.item() == pytest.approx(1 - share.item(), abs=1e-4)


def test_whitening_between_keeps_the_order_of_variances() -> None:
    data = targets(4)
    module = PrincipalComponents(kept=4, channels=4, whiten=0.5).build()
    module.fit([data])
    half = module(data).reshape(-1, 4).var(0)
    plain = PrincipalComponents(kept=4, channels=4, whiten=0.0).build()
    plain.fit([data])
    whole = plain(data).reshape(-1, 4).var(0)
    torch.testing.assert_close(half / half[0], (whole / whole[0]).sqrt(), rtol=1e-3, atol=0)


def test_directions_without_variance_do_not_explode() -> None:
    data = torch.zeros(30, 2, 4)
    data[..., 0] = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    module = PrincipalComponents(kept=4, channels=4, floor=1e-4).build()
    module.fit([data])
    assert module(data).isfinite().all()
    nudged = data + 0.01
    assert module(nudged).abs().max() < 10
    torch.testing.assert_close(module.inverse(module(data)), data, atol=1e-5, rtol=0)
    module.fit([torch.ones(3, 2, 4)])
    torch.testing.assert_close(module.inverse(module(torch.ones(1, 2, 4))), torch.ones(1, 2, 4))


def test_fewer_vectors_than_components_still_invert_on_their_span() -> None:
    data = targets(8, count=1)
    module = PrincipalComponents(kept=8, channels=8).build()
    module.fit([data])
    torch.testing.assert_close(module.inverse(module(data)), data, rtol=1e-4, atol=1e-4)


def test_sign_of_components_is_fixed() -> None:
    data = targets(5)
    one, other = (PrincipalComponents(kept=5, channels=5).build() for _ in range(2))
    one.fit([data])
    other.fit([-data])
    torch.testing.assert_close(one.components, other.components, rtol=1e-4, atol=1e-4)
    assert (one.components.gather(1, one.components.abs().argmax(1, keepdim=True)) > 0).all()


def test_autocast_and_half_precision_round_nothing_on_the_way() -> None:
    """The last of many components is small, and each a sum over channels that are not."""
    data = targets(16)
    module = PrincipalComponents(kept=16, channels=16).build()
    module.fit([data])
    normal = module(data)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module(data), normal)
        back = module.inverse(normal)
    assert torch.equal(back, module.inverse(normal))
    module.bfloat16()
    wide = PrincipalComponents(kept=16, channels=16).build()
    wide.load_state_dict(module.state_dict())
    short = data.bfloat16()
    assert torch.equal(module(short), wide(short.float()).bfloat16())
    assert torch.equal(module.inverse(module(short)), wide.inverse(module(short).float()).bfloat16())


def test_use_before_fitting_is_refused() -> None:
    module = PrincipalComponents(kept=2, channels=3).build()
    with pytest.raises(RequestError, match="no statistics yet"):
        module(torch.zeros(1, 2, 3))
    with pytest.raises(RequestError, match="no statistics yet"):
        module.inverse(torch.zeros(1, 2, 2))


def test_more_components_than_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="kept 5 is more than the 4 channels"):
        PrincipalComponents(kept=5, channels=4)
    with pytest.raises(ValueError, match="give `channels=`"):
        PrincipalComponents(kept=5).build()
