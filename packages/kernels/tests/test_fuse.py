"""Swapping and swapping back, shown on a feed-forward network that is known by its name."""

import copy
import io

import pytest
import torch
from torch import Tensor, nn

import diptych_kernels
from diptych_kernels import fuse_, unfuse_


class Qwen2MLP(nn.Module):
    """As transformers has it."""

    def __init__(self, act_fn: nn.Module) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(4, 6), nn.Linear(4, 6)
        self.down_proj, self.act_fn = nn.Linear(6, 4), act_fn

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))


class GatedFeedForward(Qwen2MLP):
    """Known by name, but its forward takes something else."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return super().forward(x) * mask


class SiglipMLP(nn.Module):
    """Known, with nothing to fuse."""


def _model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(Qwen2MLP(nn.SiLU()), Qwen2MLP(nn.SiLU()))


def _calls(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many calls of swiglu a forward makes."""
    seen: list[str | None] = []
    real = diptych_kernels.swiglu

    def spy(gate: Tensor, up: Tensor, *, implementation: str | None) -> Tensor:
        seen.append(implementation)
        return real(gate, up, implementation=implementation)

    with monkeypatch.context() as patch:
        patch.setattr("diptych_kernels.fuse.feed_forward.swiglu", spy)
        model(torch.randn(2, 4))
    return len(seen)


def test_fuses_in_place_and_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = _model(), torch.randn(3, 4)
    plain, keys, other = model(x), list(model.state_dict()), _model()
    identities = [id(a) for a in (*model.modules(), *model.parameters())]
    report = fuse_(model)
    assert [module.path for module in report.replaced] == ["0", "1"] and not report.kept
    assert str(report) == "2 x Qwen2MLP: swiglu"
    torch.testing.assert_close(model(x), plain)
    assert list(model.state_dict()) == keys and isinstance(model[0], Qwen2MLP)
    assert [id(a) for a in (*model.modules(), *model.parameters())] == identities
    assert _calls(model, monkeypatch) == 2
    assert _calls(other, monkeypatch) == 0, "another model was touched"


def test_unfusing_restores_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model()
    before = [(type(module), dict(vars(module))) for module in model.modules()]
    fuse_(model)
    assert unfuse_(model) == ("0", "1")
    assert [(type(module), dict(vars(module))) for module in model.modules()] == before
    assert _calls(model, monkeypatch) == 0
    assert unfuse_(model) == ()


def test_says_why_a_known_module_was_kept() -> None:
    hooked = Qwen2MLP(nn.SiLU())
    hooked.act_fn.register_forward_hook(lambda *_: None)
    patched = Qwen2MLP(nn.SiLU())
    patched.forward = lambda x: x  # type: ignore[method-assign]
    model = nn.ModuleList([
        Qwen2MLP(nn.GELU()), hooked, patched, GatedFeedForward(nn.SiLU()), SiglipMLP(),
    ])  # fmt: skip
    report = fuse_(model)
    assert not report.replaced
    reasons = [module.reason for module in report.kept]
    for reason, words in zip(
        reasons,
        ["activation is GELU", "act_fn has hooks", "replaced on the instance",
         "takes (x, mask), not (x)", "no operation of this package"],
        strict=True,
    ):  # fmt: skip
        assert words in reason
    assert "1 x SiglipMLP: kept, GELU without a gate" in str(report)
    assert str(fuse_(nn.Linear(1, 1))) == "no module of a known kind"


def test_fusing_twice_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model()
    fuse_(model)
    again = fuse_(model)
    assert not again.replaced and again.kept[0].reason == "it is fused already"
    unfuse_(model)
    assert _calls(model, monkeypatch) == 0


def test_the_implementation_is_passed_on() -> None:
    model = _model()
    with pytest.raises(ValueError, match=r"fuse_\(implementation=\).*'fast'"):
        fuse_(model, implementation="fast")
    fuse_(model, implementation="triton")
    with pytest.raises(diptych_kernels.ImplementationUnavailableError):
        model.double()(torch.randn(2, 4).double())
    unfuse_(model)
    model(torch.randn(2, 4).double())


def test_hooks_gradients_copies_and_files_survive() -> None:
    model, x = _model(), torch.randn(3, 4)
    seen: list[Tensor] = []
    model[0].register_forward_hook(lambda module, inputs, output: seen.append(output))
    model(x).sum().backward()
    expected = [a.grad.clone() for a in model.parameters() if a.grad is not None]
    model.zero_grad()
    fuse_(model)
    model(x).sum().backward()
    torch.testing.assert_close([a.grad for a in model.parameters()], expected)
    assert len(seen) == 2
    twin = copy.deepcopy(model)
    assert type(twin[0]) is type(model[0]) and twin[0].up_proj is not model[0].up_proj
    assert torch.equal(twin(x), model(x))
    file = io.BytesIO()
    torch.save(_fused_without_hooks(), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert torch.equal(loaded(x), _fused_without_hooks()(x))
    assert unfuse_(loaded) == ("0", "1")


def _fused_without_hooks() -> nn.Module:
    model = _model()
    fuse_(model)
    return model
