"""Definition and oracle of ``merge_features``."""

import torch
from torch import Tensor


def merge_features_reference(embeds: Tensor, features: Tensor, spans: Tensor) -> Tensor:
    """Puts the features of pictures where their placeholders are, without asking the device.

        out[row_j, start_j + i] = features[length_0 + ... + length_(j-1) + i]    0 <= i < length_j
        out = embeds elsewhere

    Where spans overlap the later one counts; what lies outside of the sequence, and tokens that no
    span has, are left out. (The public function refuses both where it can see the spans.) Sizes
    alone decide what is computed, so nothing waits for the device, as boolean indexing would.

    Shapes: embeds, out ``b s d``; features ``t d``, of all pictures one after the other; spans
    ``j 3``: row, start and length of each, int64 or int32.

    Dtypes: any floating ones; out has that of embeds, to which features are rounded. Their
    gradient is gathered from that of out, and rounded to their own dtype.

    Source: LLaVA, arXiv 2304.08485, section 4.1; in transformers, ``masked_scatter`` of a mask.
    """
    batch, length, width = embeds.shape
    tokens = features.shape[0]
    token = torch.arange(tokens, device=embeds.device)
    row, start, count = spans.long().unbind(1)
    end = count.clamp(min=0).cumsum(0)
    span = torch.searchsorted(end, token, right=True)
    # One more span, that lies outside, for the tokens that no span has.
    row, start = (torch.cat([a, a.new_full((1,), -1)]) for a in (row, start))
    before = torch.cat([end.new_zeros(1), end])
    row, position = row[span], start[span] + token - before[span]
    inside = (row >= 0) & (row < batch) & (position >= 0) & (position < length)
    place = torch.where(inside, row * length + position, batch * length)
    # For each place the last token that goes there, or -1.
    source = token.new_full((batch * length + 1,), -1)
    source = source.scatter_reduce(0, place, token, "amax")[:-1].view(batch, length)
    features = features.to(embeds.dtype)
    padded = torch.cat([features, features.new_zeros(1, width)])
    return torch.where((source >= 0)[..., None], padded[source], embeds)
