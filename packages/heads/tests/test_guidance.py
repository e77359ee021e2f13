import pytest
import torch
from head_cases.small import normal

from diptych_heads.guidance.specs import ClassifierFree, Projected


CONDITIONAL, NULL = normal(3, 4, 5), normal(3, 4, 5, seed=1)
BOTH = [ClassifierFree, Projected]


@pytest.mark.parametrize("spec", BOTH)
def test_scale_one_needs_no_null(spec):
    guidance = spec(scale=1.0).build()
    assert not guidance.needs_null(0.5)
    assert guidance.combine(CONDITIONAL, None, 0.5) is CONDITIONAL


@pytest.mark.parametrize("spec", BOTH)
def test_interval(spec):
    guidance = spec(scale=2.0, start=0.8, end=0.3).build()
    assert [guidance.needs_null(t) for t in (1.0, 0.8, 0.5, 0.3, 0.2)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert guidance.combine(CONDITIONAL, NULL, 0.9) is CONDITIONAL


@pytest.mark.parametrize("spec", BOTH)
def test_an_empty_interval_is_refused(spec):
    with pytest.raises(ValueError, match="exchange"):
        spec(start=0.2, end=0.6)


def test_classifier_free_formula():
    found = ClassifierFree(scale=3.0).build().combine(CONDITIONAL, NULL, 0.5)
    torch.testing.assert_close(found, NULL + 3 * (CONDITIONAL - NULL))


def test_rescale_restores_the_spread():
    found = ClassifierFree(scale=7.0, rescale=1.0).build().combine(CONDITIONAL, NULL, 0.5)
    torch.testing.assert_close(found.std(dim=(1, 2)), CONDITIONAL.std(dim=(1, 2)))


def test_rescale_leaves_what_has_no_spread():
    guidance = ClassifierFree(scale=3.0, rescale=0.7).build()
    nothing, even = torch.zeros(2, 4, 5), torch.full((2, 4, 5), 0.5)
    assert torch.equal(guidance.combine(nothing, nothing, 0.5), nothing)
    assert torch.equal(guidance.combine(even, nothing, 0.5), 3 * even)
    one = normal(2, 1, 1)
    torch.testing.assert_close(guidance.combine(one, nothing[:, :1, :1], 0.5), 3 * one)


def test_projected_with_all_of_it_is_classifier_free():
    found = Projected(scale=3.0, parallel=1.0).build().combine(CONDITIONAL, NULL, 0.5)
    wanted = ClassifierFree(scale=3.0).build().combine(CONDITIONAL, NULL, 0.5)
    torch.testing.assert_close(found, wanted)


def test_projected_moves_across_only():
    change = Projected(scale=3.0).build().combine(CONDITIONAL, NULL, 0.5) - CONDITIONAL
    along = (change * CONDITIONAL).sum(dim=(1, 2))
    torch.testing.assert_close(along, torch.zeros(3), atol=1e-4, rtol=0)
    assert change.abs().max() > 0.1


def test_limit_bounds_the_step():
    guidance = Projected(scale=2.0, parallel=1.0, limit=0.1).build()
    change = guidance.combine(CONDITIONAL, NULL, 0.5) - CONDITIONAL
    sizes = change.square().mean(dim=(1, 2)).sqrt()
    torch.testing.assert_close(sizes, torch.full((3,), 0.1))


@pytest.mark.parametrize("spec", BOTH)
def test_samples_do_not_meet(spec):
    extra = {"rescale": 0.7} if spec is ClassifierFree else {"limit": 0.5}
    guidance = spec(scale=4.0, **extra).build()
    together = guidance.combine(CONDITIONAL, NULL, 0.5)
    alone = guidance.combine(CONDITIONAL[1:2], NULL[1:2], 0.5)
    torch.testing.assert_close(together[1:2], alone)
