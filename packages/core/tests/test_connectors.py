"""The patch merger: which features become one token, and what does not fit."""

import pytest
import torch
from einops import rearrange
from hypothesis import given
from hypothesis import strategies as st

from diptych.connectors.patch_merger import PatchMerger
from diptych.errors import SpecError


@given(side=st.integers(1, 3), rows=st.integers(1, 3), columns=st.integers(1, 3))
def test_a_token_depends_on_its_own_square_alone(side, rows, columns):
    spec = PatchMerger(side=side, height=rows * side, width=columns * side, in_width=2, out_width=3)
    torch.manual_seed(0)
    module = spec.build().double()
    features = torch.randn(1, rows * columns * side**2, 2, dtype=torch.float64, requires_grad=True)
    tokens = module(features)
    assert tokens.shape == (1, spec.tokens, 3)
    for token in range(spec.tokens):
        (gradient,) = torch.autograd.grad(tokens[0, token].sum(), features, retain_graph=True)
        touched = gradient.abs().sum(-1).reshape(rows * side, columns * side) > 0
        row, column = divmod(token, columns)
        square = torch.zeros_like(touched)
        square[row * side : (row + 1) * side, column * side : (column + 1) * side] = True
        assert not (touched & ~square).any()
        assert touched.any()


def test_squares_are_joined_row_by_row_as_qwen2_vl_does():
    module = PatchMerger(height=4, width=4, in_width=2, out_width=3).build()
    features = torch.arange(32.0).reshape(1, 16, 2)
    blocks = rearrange(features, "b (h w) c -> b h w c", h=4)
    assert module.join(features)[0, 1].tolist() == blocks[0, :2, 2:].flatten().tolist()


def test_a_side_that_does_not_fit_names_those_that_do():
    with pytest.raises(ValueError, match="does not divide the grid's height 6; 1, 2, 3, 6 do"):
        PatchMerger(side=4, height=6, width=4)


def test_unknown_sizes_are_named():
    with pytest.raises(SpecError, match="in_width"):
        PatchMerger(height=2, width=2, out_width=3).build()
