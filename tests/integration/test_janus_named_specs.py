"""Janus-Pro 1B and 7B by name: every tensor of transformers' model of these sizes, and the spec that it is read as."""

import pytest
import torch
from transformers.models.janus.configuration_janus import JanusConfig
from transformers.models.janus.modeling_janus import JanusForConditionalGeneration

from diptych.assembly import Assembly
from diptych.families.janus.importer import Janus
from diptych.importing.bring import read_foreign
from diptych.importing.facts import TensorFacts
from diptych.importing.importer import Foreign
from diptych.importing.plan import make_plan
from diptych.importing.send import comparable
from diptych.importing.wanted import module_tensors
from diptych.spec.files import read_spec
from diptych.spec.wiring import resolve


SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
LLAMAS = {"janus-pro-1b": (2048, 24, 16, 5632), "janus-pro-7b": (4096, 30, 32, 11008)}
PARAMETERS = {"janus-pro-1b": 2_076_636_811, "janus-pro-7b": 7_407_773_323}


@pytest.mark.parametrize("name", LLAMAS)
def test_every_tensor_of_the_official_model_is_accounted_for(name, tmp_path):
    (tmp_path / "tokenizer.json").touch()
    width = LLAMAS[name][0]
    text = {**dict(zip(SIZES, LLAMAS[name], strict=True)), "vocab_size": 102_400, "max_position_embeddings": 16_384}
    config = JanusConfig(
        text_config=text,
        vision_config={"projection_dim": width},
        vq_config={"projection_dim": width, "image_token_embed_dim": width},
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in JanusForConditionalGeneration(config).named_parameters()}
        spec = resolve(read_spec(name)).spec
        parts = Assembly(spec)
    counted = {sum(each.numel() for each in parts.parameters()), sum(shape.numel() for shape in shapes.values())}
    assert counted == {PARAMETERS[name]}
    facts = {key: TensorFacts("BF16", tuple(shape)) for key, shape in shapes.items()}
    foreign = Foreign(config.to_dict(), facts, tmp_path)
    plan = make_plan(Janus().rules(foreign), facts, module_tensors(parts))
    assert not plan.problems
    assert len(plan.made) == len(facts)
    read = resolve(read_foreign(Janus(), foreign, tmp_path)).spec
    assert comparable(Janus().settled(read)) == comparable(Janus().settled(spec))
