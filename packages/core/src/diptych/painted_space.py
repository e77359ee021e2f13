"""What a model paints for no words: the null features of decoders whose guidance leads away from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diptych.errors import RequestError
from diptych.prompt import Encoded
from diptych.seeds import generators


if TYPE_CHECKING:
    from diptych.ways import Ways


SEED = 0


@torch.no_grad()
def painted_space(model: Ways) -> Tensor:
    """Paint the features of a bare space with seed 0: -> [n c].

    As BLIP3-o's pipeline does for its decoder (facts of its code, 4.2): the prompt is one space outside of the prompt
    form, then the token that starts a picture and the queries; sampler and guidance are the step's own. There the noise
    is whatever the process draws first; here it belongs to a seed, so that pictures do not depend on what came before.

    Raises:
        RequestError: if what is decoded is not painted, or not in one step.
    """
    step = model.spec.painted
    if step is None or model.spec.generate[0] is not step:
        raise RequestError("`null: painted-space` is for models whose first generate step makes what is decoded")
    words = model.tokenizer.encode(" ")
    opens = [
        model.tokenizer.id_of(each) for each in (model.spec.prompt.paint_open, model.spec.prompt.paint_scale) if each
    ]
    count = getattr(step.condition, "queries", 0)
    ids = (*words, *opens, *[model.tokenizer.id_of(model.spec.prompt.query_pad)] * count)
    encoded = Encoded(ids, (False,) * len(ids), queries=count)
    condition, mask, own = model.for_head(model.sequences([encoded]), step.name)
    parts = model.parts.step(step.name)
    sampler = step.sampler.build() if step.sampler else None
    guidance = step.guidance.build() if step.guidance else None
    made = parts["head"].sample(condition, mask, generators([SEED]), sampler, guidance, **own)
    features: Tensor = parts["normalise"].inverse(made) if "normalise" in parts else made
    return features[0]
