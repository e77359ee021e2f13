"""Every family reads, paints and reconstructs in half precision, as released models are run on a GPU."""

import attrs
import numpy as np
import pytest
import torch
from integration_cases import janus as janus_model
from PIL import Image

import diptych
from diptych.importing.bring import import_checkpoint


SHOWN = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 16, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def folders(blip3o_drawing_folder, next_imported, sana_imported, tmp_path_factory):
    made = tmp_path_factory.mktemp("half")
    import_checkpoint("blip3o", blip3o_drawing_folder, made / "blip3o", include=["vision.clip"])
    import_checkpoint("janus", janus_model.write(janus_model.official(), made / "theirs"), made / "janus")
    return {
        "blip3o": made / "blip3o", "blip3o-next": next_imported, "siglip2-sana": sana_imported["trainer"],
        "janus": made / "janus", "pocket": "pocket",
    }  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["blip3o", "blip3o-next", "siglip2-sana", "janus", "pocket"])
def test_every_task(folders, name, dtype):
    model = diptych.load(folders[name], dtype=dtype)
    if hasattr(model.parts.decoder, "sampler"):
        model.parts.decoder.sampler = attrs.evolve(model.parts.decoder.sampler, steps=3)
    if model.spec.generate:
        for negative in (None, "a dog") if model.spec.generate[0].guidance else (None,):
            (painted,) = model.generate("a red cat", negative=negative)
            assert np.asarray(painted).std() > 0
    (again,) = model.reconstruct([SHOWN])
    assert np.asarray(again).std() > 0
    if model.spec.understand:
        assert isinstance(model.ask(SHOWN, "what?", max_tokens=3), str)
