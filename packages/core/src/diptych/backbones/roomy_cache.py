"""A key/value cache with room for what comes: adding a token does not copy all tokens before it."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer


class RoomyLayer(DynamicLayer):
    """Writes keys and values into buffers that double when they are full.

    Concatenation copies the whole cache for every token: writing n tokens takes n^2 copies, where this takes n. What is
    seen from outside is a `DynamicLayer`: `keys` and `values` are the filled part of the buffers. Under gradients,
    where writing in place would spoil what was saved for the way back, it concatenates.
    """

    _rooms: tuple[Tensor, Tensor] | None = None
    _filled: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Add new keys and values `b heads n d`: -> all of them."""
        if key_states.requires_grad or value_states.requires_grad:
            return super().update(key_states, value_states, *args, **kwargs)
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.get_seq_length()
        total = length + key_states.shape[-2]
        rooms, filled = self._rooms, self._filled
        ours = filled is not None and self.keys is filled[0] and self.values is filled[1]
        if rooms is None or not ours or rooms[0].shape[-2] < total:
            rooms = self._rooms = (
                _room(key_states, self.keys, length, total),
                _room(value_states, self.values, length, total),
            )
        for room, new in zip(rooms, (key_states, value_states), strict=True):
            room[..., length:total, :] = new
        self.keys, self.values = (room[..., :total, :] for room in rooms)
        self._filled = self.keys, self.values
        return self.keys, self.values


def with_room(cache: Cache) -> None:
    """Give the plain layers of an empty cache room; sliding windows and the like stay as they are."""
    cache.layers = [RoomyLayer() if type(each) is DynamicLayer else each for each in cache.layers]


def _room(new: Tensor, held: Tensor | None, length: int, total: int) -> Tensor:
    room = new.new_empty(*new.shape[:-2], max(2 * length, total), new.shape[-1])
    if length and held is not None:
        room[..., :length, :] = held
    return room
