import pytest
import torch
from head_cases.properties import examples
from head_cases.small import normal
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from diptych_heads.text.cross_entropy import cross_entropy
from diptych_heads.text.specs import LinearText, NextToken


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.matrix = nn.Linear(8, 11, bias=False)
        self.seen = []

    def logits(self, states):
        self.seen.append(tuple(states.shape))
        return self.matrix(states)


@examples
@given(
    smoothing=st.floats(0, 0.9),
    n=st.integers(1, 9),
    v=st.integers(2, 20),
    seed=st.integers(0, 99),
)
def test_cross_entropy_is_that_of_torch(smoothing, n, v, seed):
    logits = 3 * normal(n, v, seed=seed).double()
    labels = torch.randint(v, (n,), generator=torch.Generator().manual_seed(seed))
    wanted = functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(cross_entropy(logits, labels, label_smoothing=smoothing), wanted)


def test_z_loss():
    logits, labels = normal(4, 6), torch.tensor([0, 1, 2, 3])
    added = cross_entropy(logits, labels, z_loss=0.5) - cross_entropy(logits, labels)
    torch.testing.assert_close(added, 0.5 * logits.logsumexp(-1).square())


def test_large_and_short_logits():
    logits = torch.tensor([[300.0, 0.0, -300.0]], dtype=torch.bfloat16)
    found = cross_entropy(logits, torch.tensor([1]))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(300)


@pytest.mark.parametrize("spec", [NextToken(), LinearText(width=8, vocabulary=11, bias=True)])
def test_loss_of_labelled_positions_only(spec):
    backbone, head = Backbone(), spec.build()
    states = normal(5, 8).requires_grad_()
    labels = torch.tensor([3, -100, 10, -100, 0])
    loss = head.loss(states, labels, backbone)
    wanted = functional.cross_entropy(
        head.logits(states, backbone), labels, reduction="none", ignore_index=-100
    )
    torch.testing.assert_close(loss, wanted)
    loss.sum().backward()
    assert (states.grad.abs().sum(dim=1) > 0).tolist() == [True, False, True, False, True]
    if isinstance(spec, NextToken):
        assert backbone.seen[0] == (3, 8)
    else:
        assert backbone.seen == []


@pytest.mark.parametrize("spec", [NextToken(), LinearText(width=8, vocabulary=11)])
def test_logits_of_any_shape(spec):
    found = spec.build().logits(normal(2, 3, 8), Backbone())
    assert found.shape == (2, 3, 11)


def test_nothing_to_predict():
    loss = NextToken().build().loss(normal(2, 8), torch.tensor([-100, -100]), Backbone())
    assert loss.tolist() == [0, 0]


def test_only_the_linear_head_has_weights():
    assert not list(NextToken().build().parameters())
    assert [each.shape for each in LinearText(width=8, vocabulary=11).build().parameters()] == [
        (11, 8)
    ]


@pytest.mark.parametrize("fields", [{"label_smoothing": 1.0}, {"z_loss": -1.0}])
def test_impossible_fields(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        NextToken(**fields)
