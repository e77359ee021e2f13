"""The cache with room is transformers' own, without its copies."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.cache_utils import DynamicCache, DynamicLayer

from diptych.backbones.hf_causal_lm import HFCausalLMSpec
from diptych.backbones.roomy_cache import RoomyLayer


def pieces(lengths, seed=0):
    own = torch.Generator().manual_seed(seed)
    return [tuple(torch.randn(2, 3, n, 4, generator=own) for _ in range(2)) for n in lengths]


def both_ways(lengths, between=lambda layer, index: None):
    layers = RoomyLayer(), DynamicLayer()
    for index, (keys, values) in enumerate(pieces(lengths)):
        for mine, theirs in zip(*(each.update(keys, values) for each in layers), strict=True):
            assert torch.equal(mine, theirs)
        for each in layers:
            between(each, index)
        assert layers[0].get_seq_length() == layers[1].get_seq_length()
    return layers


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_it_holds_what_transformers_holds(lengths):
    both_ways(lengths)


def test_it_follows_cuts_and_choices_of_rows():
    def between(layer, index):
        if index == 1:
            layer.crop(-2)
        if index == 2:
            layer.reorder_cache(torch.tensor([1, 0]))
        if index == 3:
            layer.batch_select_indices(torch.tensor([1, 1]))
        if index == 5:
            layer.reset()

    both_ways([3, 2, 1, 1, 1, 2, 4, 1], between)


def test_places_change_only_when_the_room_doubles():
    layer, places = RoomyLayer(), set()
    for keys, values in pieces([4] + [1] * 60):
        layer.update(keys, values)
        places.add(layer.keys.untyped_storage().data_ptr())
    assert len(places) <= 5  # room for 4, 8, 16, 32, 64


def test_gradients_go_through_it():
    grads = []
    for layer in (RoomyLayer(), DynamicLayer()):
        given = pieces([3, 1, 1])
        for pair in given:
            for each in pair:
                each.requires_grad_()
        for keys, values in given:
            made = layer.update(keys, values)
            loss = (made[0].square() * made[1]).sum()
        loss.backward()
        grads.append([each.grad for pair in given for each in pair])
    assert all(torch.equal(*both) for both in zip(*grads, strict=True))


@pytest.mark.parametrize("window", [None, 4])
def test_a_backbone_gets_it_where_its_layers_are_plain(window):
    extra = {} if window is None else {"sliding_window": window}
    kind = "llama" if window is None else "mistral"
    spec = HFCausalLMSpec(model_type=kind, width=16, layers=2, heads=2, mlp_width=16, vocabulary=11, extra=extra)
    cache = spec.build().new_cache()
    assert isinstance(cache, DynamicCache)
    plain = DynamicCache(config=spec.build().model.config)
    for mine, theirs in zip(cache.layers, plain.layers, strict=True):
        assert type(mine) is (RoomyLayer if type(theirs) is DynamicLayer else type(theirs))
    assert (type(cache.layers[0]) is RoomyLayer) == (window is None)
