"""Positions and visibility in padded sequences."""

import torch

from diptych.backbones.positions import positions_of, visible


MASK = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)


def test_positions_count_from_the_first_real_token():
    wanted = torch.tensor([[0, 0, 0, 1, 2], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]])
    assert torch.equal(positions_of(MASK, 5), wanted)
    assert torch.equal(positions_of(MASK, 2), wanted[:, -2:])


def test_real_tokens_see_real_tokens_up_to_themselves():
    seen = visible(MASK, 5)[:, 0]
    for row, mask in zip(seen, MASK, strict=True):
        for place in mask.nonzero().flatten().tolist():
            assert row[place].tolist() == [bool(mask[each]) and each <= place for each in range(5)]


def test_padding_sees_itself_only_where_there_is_nothing_else():
    seen = visible(MASK, 5)[:, 0]
    assert seen[0, :2].tolist() == [[True, False, False, False, False], [False, True, False, False, False]]
    assert seen[1, 3:].tolist() == [[True, True, True, False, False]] * 2
