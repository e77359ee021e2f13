"""Checks of modules: shapes as promised, determinism, independence of the batch, dtypes, gradients, weights, meta."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from diptych.checkpoint.tensors import fill, own_tensors, read_tensors, write_tensors
from diptych.seeds import generators
from diptych.testing.example import Example
from diptych.testing.uses import USES, Given, given


__all__ = ["MODULE_CHECKS", "USES"]

COUNT = 3


def made(example: Example, seed: int = 0, dtype: torch.dtype = torch.float32) -> Any:
    """Build the module with the weights of a seed, ready for use.

    All weights are moved a little, by float64 numbers: fresh ones are float32, and zeros hide what is behind them.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = example.spec.build()
    prepare = USES[example.spec.kind].prepare
    if prepare:
        prepare(example, module)
    if isinstance(module, nn.Module):
        module.to(dtype).eval()
        own = Generator().manual_seed(seed)
        for each in module.parameters():
            each.data.add_(0.05 * torch.randn(each.shape, generator=own, dtype=torch.float64).to(each))
    return module


def run(example: Example, module: Any, inputs: Given, count: int = COUNT, first: int = 0) -> dict[str, Tensor]:
    """Use the module as its kind is used, without gradients: -> what it gives, by port."""
    with torch.no_grad():
        return USES[example.spec.kind].call(example, module, inputs, generators(range(first, first + count)))


def check_ports_are_the_real_shapes(example: Example) -> None:
    """What comes out has the shape that the ports promise for what goes in."""
    outputs = run(example, made(example), given(example, COUNT))
    promised = {**example.spec.ports().outputs, **USES[example.spec.kind].promises(example)}
    for name, value in outputs.items():
        assert name in promised, f"gives '{name}', which is no port of it"
        wanted = example.shape(promised[name], COUNT)
        assert list(value.shape) == wanted, f"'{name}' is {list(value.shape)}, `{promised[name].axes}` says {wanted}"
        assert value.isfinite().all(), f"'{name}' holds NaN or infinity"


def check_same_seed_same_result(example: Example) -> None:
    """Fresh weights and results follow from the seed, and using the part leaves global randomness alone."""
    one, other = made(example), made(example)
    if isinstance(one, nn.Module):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), f"fresh '{name}' does not follow from the seed"
    before = torch.get_rng_state()
    first, again = (run(example, each, given(example, COUNT)) for each in (one, other))
    assert torch.equal(before, torch.get_rng_state()), "using the part draws from the global random state"
    for name in first:
        assert torch.equal(first[name], again[name]), f"'{name}' differs between two runs of one seed"


def check_a_sample_does_not_depend_on_its_batch(example: Example) -> None:
    """In float64, a row alone gives what it gives in a batch."""
    module, inputs = made(example, dtype=torch.float64), given(example, COUNT, torch.float64)
    together = run(example, module, inputs)
    for row in range(COUNT):
        alone = run(example, module, {k: v[row : row + 1] for k, v in inputs.items()}, count=1, first=row)
        for name in together:
            off = (alone[name] - together[name][row : row + 1]).abs().max().item()
            assert off <= 1e-9, f"'{name}' of row {row} changes by {off:.1e} with its batch"


def check_dtype_is_kept(example: Example) -> None:
    """float64 in and float64 weights give float64 out, and nothing was rounded on the way."""
    outputs = run(example, made(example, dtype=torch.float64), given(example, COUNT, torch.float64))
    for name, value in outputs.items():
        if not value.is_floating_point():  # ids
            continue
        assert value.dtype == torch.float64, f"'{name}' is {value.dtype} where everything else is float64"
        if value.abs().max() > 0:
            assert (value - value.float().double()).abs().max() > 0, f"'{name}' was rounded to float32 on the way"


def check_gradient_reaches_what_trains(example: Example) -> None:
    """Every parameter has a gradient after the part's own loss (or the sum of squares of what it gives)."""
    module = made(example)
    parameters = dict(module.named_parameters()) if isinstance(module, nn.Module) else {}
    if not parameters:
        return
    module.train()
    use, inputs = USES[example.spec.kind], given(example, COUNT)
    loss = use.loss(example, module, inputs, Generator().manual_seed(0)) if use.loss else None
    if loss is None:
        outputs = use.call(example, module, inputs, generators(range(COUNT)))
        loss = torch.stack([value.square().flatten(1).mean(1) for value in outputs.values()]).sum(0)
    assert loss.shape == (COUNT,), f"the loss is {list(loss.shape)}, not one number a sample"
    loss.sum().backward()
    without = [name for name, each in parameters.items() if each.requires_grad and each.grad is None]
    assert not without, f"no gradient reaches {', '.join(without)}"
    assert all(each.grad.isfinite().all() for each in parameters.values() if each.grad is not None)


def check_saved_weights_give_the_same_bits(example: Example) -> None:
    """State written to a file and read into a part of other weights gives the same results."""
    module = made(example)
    if not isinstance(module, nn.Module):
        return
    other = made(example, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        write_tensors(own_tensors(module), Path(folder) / "part.safetensors")
        fill(other, read_tensors(Path(folder) / "part.safetensors"), str(example))
    first, again = (run(example, each, given(example, COUNT)) for each in (module, other))
    for name in first:
        assert torch.equal(first[name], again[name]), f"'{name}' differs after saving and loading"


def check_builds_and_runs_on_the_meta_device(example: Example) -> None:
    """Costs are measured on the meta device: the part builds there and gives the promised shapes."""
    with torch.device("meta"):
        module = example.spec.build()
        inputs = {name: value.to("meta") for name, value in given(example, COUNT).items()}
        outputs = run(example, module, inputs)
    if isinstance(module, nn.Module):
        real = [name for name, value in module.state_dict().items() if not value.is_meta]
        assert not real, f"{', '.join(real)} are allocated although everything else is on the meta device"
    promised = {**example.spec.ports().outputs, **USES[example.spec.kind].promises(example)}
    for name, value in outputs.items():
        assert list(value.shape) == example.shape(promised[name], COUNT)


MODULE_CHECKS: list[Callable[[Example], None]] = [
    check_ports_are_the_real_shapes,
    check_same_seed_same_result,
    check_a_sample_does_not_depend_on_its_batch,
    check_dtype_is_kept,
    check_gradient_reaches_what_trains,
    check_saved_weights_give_the_same_bits,
    check_builds_and_runs_on_the_meta_device,
]
