import math
from types import SimpleNamespace

import pytest
import torch
from head_cases.small import normal
from torch.nn import functional

from diptych.ports import Port, Ports
from diptych_heads.objectives.contrastive_losses import matches, sigmoid_loss, softmax_loss
from diptych_heads.objectives.pooling import AttentionPooling, MeanPooling
from diptych_heads.objectives.specs import Contrastive, ContrastiveSigmoid


CPU = torch.device("cpu")
SPECS = [Contrastive, ContrastiveSigmoid]


def test_equal_texts_match():
    found = matches(["a", "b", "a"], device=CPU)
    assert found.tolist() == [[True, False, True], [False, True, False], [True, False, True]]


def test_softmax_loss_is_that_of_clip():
    logits, own = 3 * normal(5, 5), torch.arange(5)
    wanted = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    torch.testing.assert_close(softmax_loss(logits, torch.eye(5, dtype=torch.bool)).mean(), wanted)


def test_softmax_loss_of_equal_logits():
    loss = softmax_loss(torch.zeros(7, 7), torch.eye(7, dtype=torch.bool))
    torch.testing.assert_close(loss, torch.full((7,), math.log(7)))


def test_repeated_texts_are_no_mistake():
    positives = matches(["a", "a", "b"], device=CPU)
    perfect = torch.where(positives, 100.0, 0.0)
    torch.testing.assert_close(
        softmax_loss(perfect, positives), torch.tensor([math.log(2), math.log(2), 0.0])
    )
    assert sigmoid_loss(perfect - 50, positives).max() < 1e-6


def test_sigmoid_loss_is_that_of_siglip():
    logits = 3 * normal(4, 4)
    signs = 2 * torch.eye(4) - 1
    wanted = functional.softplus(-signs * logits).sum(dim=1)
    torch.testing.assert_close(sigmoid_loss(logits, torch.eye(4, dtype=torch.bool)), wanted)


@pytest.mark.parametrize("make", [AttentionPooling, MeanPooling])
def test_pooling(make):
    pool = make(12).double()
    features = normal(3, 5, 12).double()
    found = pool(features)
    assert found.shape == (3, 12)
    torch.testing.assert_close(found, pool(features.flip(1)))
    torch.testing.assert_close(found[1:2], pool(features[1:2]))


class World:
    """A model and a batch, as far as the objective looks at them: pairs that share a direction."""

    def __init__(self, texts, width=6, states=9):
        port = Port("b (grid grid) width")
        encoder = SimpleNamespace(
            ports=lambda: Ports(outputs={"features": port}), grid=2, width=width
        )
        self.model = SimpleNamespace(
            spec=SimpleNamespace(vision={"eye": encoder}), text_width=states
        )
        self.texts, self.width, self.states = texts, width, states

    def captioned(self):
        return list(range(len(self.texts))), list(self.texts)

    def rows(self, rows):
        return torch.tensor(rows)

    def features(self, name):
        assert name == "eye"
        return torch.cat([normal(1, 4, self.width, seed=ord(each[0])) for each in self.texts])

    def text_states(self, texts):
        return torch.cat([normal(1, self.states, seed=ord(each[0]) + 7) for each in texts])


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("pooling", ["attention", "mean", "flatten"])
def test_learns_to_match(spec, pooling, generator):
    torch.manual_seed(0)
    world = World(["ant", "bee", "cow", "ant", "dog"])
    objective = spec(encoder="eye", width=16, pooling=pooling).build()
    objective.prepare(world.model)
    optimiser = torch.optim.Adam(objective.parameters(), 1e-2)
    first = None
    for _ in range(80):
        terms = objective(world, generator)
        assert list(terms) == ["contrastive"]
        loss = terms["contrastive"]
        first = loss.item() if first is None else first
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.6 * first
    logits = objective.logits(world.features("eye"), world.text_states(world.texts))
    right = matches(world.texts, device=CPU)
    assert logits[right].min() > logits[~right].max()
    assert all(each.grad is not None for each in objective.parameters())


@pytest.mark.parametrize("spec", SPECS)
def test_one_pair_teaches_nothing(spec, generator):
    objective = spec(encoder="eye").build()
    world = World(["ant"])
    objective.prepare(world.model)
    assert objective(world, generator) == {}


@pytest.mark.parametrize("spec", SPECS)
def test_logits_stay_sharp_under_autocast(spec):
    world = World(["ant", "bee", "cow"])
    objective = spec(encoder="eye").build()
    objective.prepare(world.model)
    with torch.autocast("cpu", torch.bfloat16):
        logits = objective.logits(world.features("eye"), world.text_states(world.texts))
    assert logits.dtype == torch.float32
