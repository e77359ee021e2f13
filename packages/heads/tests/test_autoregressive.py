"""The autoregressive head: against Janus, its sampling, and its null."""

import warnings

import pytest
import torch
from attrs import evolve
from einops import rearrange
from head_cases.official import moved, off
from head_cases.properties import examples
from head_cases.small import normal, shaken
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import JanusConfig, JanusForConditionalGeneration
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

from diptych.backbones.hf_causal_lm import HFCausalLMSpec
from diptych.backbones.plain_transformer import PlainTransformerSpec
from diptych.errors import RequestError
from diptych.seeds import generators
from diptych_heads.autoregressive.picking import pick
from diptych_heads.autoregressive.specs import Autoregressive
from diptych_heads.guidance.classifier_free import ClassifierFreeGuidance
from diptych_heads.guidance.specs import ClassifierFree, Projected, TextAndImage
from diptych_heads.samplers.specs import Euler


CODES, PAD, BOS, BOI = 20, 0, 1, 2
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 30,
    "rms_norm_eps": 1e-6,
    "bos_token_id": BOS,
    "pad_token_id": PAD,
}
VISION = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "mlp_ratio": 1.0,
    "image_size": 16,
    "patch_size": 4,
    "num_image_tokens": 16,
    "projection_dim": 32,
}
VQ = {
    "embed_dim": 8,
    "num_embeddings": CODES,
    "projection_dim": 32,
    "image_token_embed_dim": 32,
    "num_patches": 4,
    "base_channels": 32,
    "channel_multiplier": [1, 1],
    "num_res_blocks": 1,
    "latent_channels": 8,
}
OWN = Autoregressive(
    codes=CODES, condition_width=32, height=4, width=4, temperature=0, keep_first=1
)
WORDS = evolve(OWN, ids="backbone", first_id=5, temperature=1.0, keep_first=0)


@pytest.fixture(scope="module")
def janus():
    torch.manual_seed(0)
    config = JanusConfig(text_config=TEXT, vision_config=VISION, vq_config=VQ)
    model = moved(JanusForConditionalGeneration(config))
    model.generation_config.generation_kwargs = {"boi_token_id": BOI}
    model.generation_config.bos_token_id, model.generation_config.pad_token_id = BOS, PAD
    return model


@pytest.fixture(scope="module")
def ours(janus):
    spec = HFCausalLMSpec(
        model_type="llama", width=32, layers=2, heads=4, kv_heads=2, mlp_width=24, tied=False,
        extra={"rms_norm_eps": 1e-6}, vocabulary=30,
    )  # fmt: skip
    backbone, head = spec.build().eval(), OWN.build().eval()
    backbone.model.model.load_state_dict(janus.model.language_model.state_dict())
    backbone.model.lm_head.load_state_dict(janus.lm_head.state_dict())
    theirs, table = janus.model, head.table
    table.embedding.load_state_dict(theirs.generation_embeddings.state_dict())
    table.align[0].load_state_dict(theirs.generation_aligner.fc1.state_dict())
    table.align[1].load_state_dict(theirs.generation_aligner.hidden_layers[0].state_dict())
    table.hidden.load_state_dict(theirs.generation_head.proj_out.state_dict())
    table.output.load_state_dict(theirs.generation_head.vision_head.state_dict())
    with torch.no_grad():
        head.null.copy_(backbone.embed(torch.tensor(PAD)))
    return backbone, head


IDS = torch.tensor([[BOS, 7, 8, 9, 10, BOI], [PAD, PAD, BOS, 11, 12, BOI]])
MASK = IDS != PAD


@pytest.mark.parametrize("scale", [5.0, 1.5])
def test_pictures_equal_those_of_janus(janus, ours, scale, parity):
    backbone, head = ours
    theirs = janus.generate(
        IDS, attention_mask=MASK.long(), generation_mode="image", do_sample=False,
        guidance_scale=scale, max_length=64,
    )  # fmt: skip
    guidance = ClassifierFree(scale=scale).build()
    out = head.sample(
        backbone.embed(IDS), MASK, generators([0, 1]), guidance=guidance, backbone=backbone
    )
    assert len(out.unique()) > 2
    named = "head `autoregressive`", "transformers JanusForConditionalGeneration"
    parity(*named, "ids of guided pictures that differ", (out != theirs).sum().item(), 0)


def test_logits_of_a_whole_picture_equal_those_of_janus(janus, ours, generator, parity):
    backbone, head = ours
    ids = torch.randint(CODES, (2, 16), generator=torch.Generator().manual_seed(3))
    head.drop_prompt = 0.0
    losses = head.loss(ids, backbone.embed(IDS), MASK, generator, backbone)
    picture = janus.prepare_embeddings_for_image_generation(ids[:, :-1])
    embeds = torch.cat([janus.get_input_embeddings()(IDS), picture], 1)
    mask = torch.cat([MASK, torch.ones(2, 15, dtype=torch.bool)], 1)
    states = janus.model.language_model(
        inputs_embeds=embeds,
        attention_mask=mask.long(),
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
    ).last_hidden_state
    logits = janus.model.generation_head(states[:, 5:])
    wanted = nn.functional.cross_entropy(logits.mT, ids, reduction="none").mean(1)
    named = "head `autoregressive`", "transformers JanusForConditionalGeneration"
    parity(*named, "losses of whole pictures", off(losses, wanted), 1e-5)


def plain(codes=CODES, first=5):
    torch.manual_seed(0)
    spec = PlainTransformerSpec(width=32, layers=2, heads=2, vocabulary=codes + first + 3)
    return shaken(spec.build()).double()


def test_words_of_the_backbone_are_constrained_to_image_ids():
    backbone, head = plain(), WORDS.build().double()
    condition = 3 * normal(2, 6, 32).double()
    out = head.sample(condition, None, generators([0, 1]), backbone=backbone)
    assert out.min() >= 0
    assert out.max() < CODES
    states = normal(3, 32).double()
    assert torch.equal(
        head.table.logits(states, backbone), backbone.logits(states)[:, 5 : 5 + CODES]
    )
    assert torch.equal(head.embed(out, backbone), backbone.embed(out + 5))


@pytest.mark.parametrize("positions", ["1d", "2d"])
@pytest.mark.parametrize("spec", [OWN, WORDS], ids=["own", "backbone"])
def test_a_cache_changes_nothing(spec, positions):
    """Greedy ids are those of a fresh pass over everything, id by id."""
    backbone = plain()
    head = shaken(evolve(spec, positions=positions, temperature=0).build()).double()
    condition, guidance = normal(2, 6, 32).double(), ClassifierFree(scale=3.0).build()
    out = head.sample(condition, MASK, generators([0, 1]), guidance=guidance, backbone=backbone)
    with torch.no_grad():
        both = torch.cat([condition, head.without_prompt(condition, MASK)])
        for index in range(16):
            made = head.embed(out[:, :index], backbone)
            embeds = torch.cat([both, torch.cat([made, made])], 1)
            mask = torch.cat([MASK.repeat(2, 1), torch.ones(4, index, dtype=torch.bool)], 1)
            logits, null = head.table.logits(backbone(embeds, mask)[:, -1], backbone).chunk(2)
            assert torch.equal((null + 3 * (logits - null)).argmax(-1), out[:, index])


def test_a_sample_does_not_depend_on_its_batch():
    backbone, head = plain(), evolve(WORDS, top_k=9, top_p=0.8).build().double()
    condition, guidance = 2 * normal(2, 6, 32).double(), ClassifierFree(scale=2.0).build()
    how = {"guidance": guidance, "backbone": backbone}
    together = head.sample(condition, MASK, generators([4, 5]), **how)
    alone = head.sample(condition[1:, 2:], MASK[1:, 2:], generators([5]), **how)
    assert torch.equal(together[1:], alone)
    other = head.sample(condition, MASK, generators([6, 5]), **how)
    assert not torch.equal(other[0], together[0])


@pytest.mark.parametrize(("scale", "rows"), [(1.0, 2), (3.0, 4)])
def test_the_null_branch_runs_only_where_it_is_needed(scale, rows):
    backbone, head, seen = plain(), WORDS.build().double(), []
    backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:2]))
    guidance = ClassifierFree(scale=scale).build()
    head.sample(
        normal(2, 6, 32).double(), MASK, generators([0, 1]), guidance=guidance, backbone=backbone
    )
    assert seen == [(rows, 6), *[(rows, 1)] * 15]


def test_the_null_keeps_what_it_should():
    head = evolve(OWN, keep_first=1, keep_last=2).build()
    nn.init.constant_(head.null, 9.0)
    condition = normal(2, 6, 32)
    out = head.without_prompt(condition, MASK)
    replaced = (out == 9).all(-1)
    assert replaced.tolist() == [
        [False, True, True, True, False, False],
        [False] * 3 + [True] + [False] * 2,
    ]
    assert torch.equal(out[~replaced], condition[~replaced])


def test_the_null_may_be_a_word_of_the_backbone(janus, ours, generator):
    backbone, head = ours
    worded = evolve(OWN, null_id=PAD).build().eval()
    assert worded.load_state_dict({k: v for k, v in head.state_dict().items() if k != "null"})
    how = {"guidance": ClassifierFree(scale=5.0).build(), "backbone": backbone}
    condition, seeds = backbone.embed(IDS), generators([0, 1])
    assert torch.equal(
        worded.sample(condition, MASK, seeds, **how), head.sample(condition, MASK, seeds, **how)
    )
    ids, seeds = torch.arange(32).view(2, 16) % CODES, [torch.Generator() for _ in range(2)]
    worded.drop_prompt = head.drop_prompt = 1.0
    losses = [
        each.loss(ids, condition, MASK, seed, backbone)
        for each, seed in zip((worded, head), seeds, strict=True)
    ]
    torch.testing.assert_close(*losses)
    with pytest.raises(ValueError, match="give `null_id`, or build it inside a model"):
        evolve(OWN, null_token="<pad>").build().without_prompt(condition, MASK, backbone)


def test_negative_prompts_stand_in_the_place_of_the_null(ours):
    backbone, head = ours
    condition, guidance = backbone.embed(IDS), ClassifierFree(scale=5.0).build()

    def written(null, guidance=guidance):
        more = {"guidance": guidance, "backbone": backbone, "null": null}
        return head.sample(condition, MASK, generators([0, 1]), **more)

    own = head.without_prompt(condition, MASK, backbone), MASK
    assert torch.equal(written(own), written(None))
    assert not torch.equal(written((condition.flip(1), MASK)), written(None))
    with pytest.raises(RequestError, match="act through guidance"):
        written(own, None)


def guided(guidance, head=None, condition=None, backbone=None, null=None):
    head = evolve(WORDS, drop_prompt=0.1).build().double() if head is None else head
    condition = 3 * normal(2, 6, 32).double() if condition is None else condition
    how = {"guidance": guidance, "backbone": backbone or plain(), "null": null}
    return head.sample(condition, None, generators([0, 1]), **how)


def test_a_guidance_remembers_one_picture():
    """Its momentum reaches the logits, and starts anew with the next call."""
    found = [guided(Projected(scale=4.0, momentum=each).build()) for each in (0.0, 0.9)]
    assert not torch.equal(*found)
    same = Projected(scale=4.0, momentum=0.9).build()
    assert torch.equal(guided(same), found[1])
    assert torch.equal(guided(same), found[1])


def test_logits_are_guided_in_float32_whatever_the_backbone_computes_in():
    class Watched(ClassifierFreeGuidance):
        def combine(self, conditional, null, t):
            seen.append((conditional.dtype, null.dtype))
            return super().combine(conditional, null, t)

    seen = []
    head, condition = WORDS.build().bfloat16(), normal(2, 6, 32).bfloat16()
    guided(Watched(scale=3.0), head, condition, plain().bfloat16())
    assert seen == [(torch.float32, torch.float32)] * 16


def test_a_guidance_that_cannot_act_as_it_should_is_told():
    plainly = guided(None)
    with pytest.warns(UserWarning, match="no id's time lies in its interval"):
        found = guided(ClassifierFree(scale=2.0, start=0.99, end=0.98).build())
    assert torch.equal(found, plainly)
    with pytest.warns(UserWarning, match="`drop_prompt: 0`"):
        guided(ClassifierFree().build(), evolve(WORDS, drop_prompt=0.0).build().double())
    with pytest.raises(RequestError, match="sample 0, 1 is its own null prompt: `keep_first`"):
        guided(ClassifierFree().build(), evolve(WORDS, keep_last=6).build().double())
    with pytest.raises(RequestError, match=r"tells pictures from text.*take classifier-free"):
        guided(TextAndImage().build())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guided(ClassifierFree().build())
        guided(ClassifierFree(scale=1.0).build(), evolve(WORDS, keep_last=6).build().double())


def test_a_request_for_other_samples_than_the_prompts_is_refused():
    head, condition = WORDS.build().double(), normal(2, 6, 32).double()
    for seeds in ([0], [0, 1, 2]):
        with pytest.raises(RequestError, match="of 2 samples, but the number of generators"):
            head.sample(condition, None, generators(seeds), backbone=plain())


def test_dropped_prompts_train_the_null(generator):
    backbone, head = plain(), evolve(OWN, drop_prompt=1.0, positions="2d").build().double()
    ids, condition = torch.arange(32).view(2, 16) % CODES, normal(2, 6, 32).double()
    dropped = head.loss(ids, condition, MASK, generator, backbone)
    dropped.sum().backward()
    assert all(each.grad.abs().max() > 0 for each in head.parameters())
    head.drop_prompt = 0.0
    null = head.loss(ids, head.without_prompt(condition, MASK), MASK, generator, backbone)
    torch.testing.assert_close(dropped, null)


def test_rows_and_columns_are_added_row_by_row():
    head = shaken(evolve(OWN, positions="2d", height=2, width=3).build())
    ids = torch.arange(6)[None]
    added = head.embed(ids, None) - head.table.embed(ids, None)
    wanted = head.rows[:, None] + head.columns[None]
    torch.testing.assert_close(added[0], rearrange(wanted, "h w d -> (h w) d"))
    torch.testing.assert_close(head.embed(ids[:, 4:], None, first=4), head.embed(ids, None)[:, 4:])


def test_a_sampler_cannot_act():
    with pytest.raises(RequestError, match="leave the step's `sampler` out"):
        OWN.build().sample(
            normal(1, 3, 32), None, generators([0]), Euler().build(), backbone=plain()
        )


@examples
@given(
    logits=st.lists(st.floats(-5, 5), min_size=2, max_size=12, unique=True),
    top_k=st.integers(0, 12),
    top_p=st.floats(0.05, 1.0),
    temperature=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_choices_have_the_probabilities_that_transformers_gives(logits, top_k, top_p, temperature):
    scores = torch.tensor([logits], dtype=torch.float64)
    drawn = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    how = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    chosen = pick(scores.expand(2000, -1), drawn, **how)
    kept = scores / temperature
    kept = TopKLogitsWarper(top_k)(None, kept) if top_k else kept
    kept = TopPLogitsWarper(top_p)(None, kept) if top_p < 1 else kept
    shares = torch.bincount(chosen, minlength=len(logits)) / 2000
    torch.testing.assert_close(shares.double(), kept.softmax(-1)[0], atol=2e-3, rtol=0)


def test_the_last_number_below_one_still_chooses_an_id():
    drawn = torch.tensor([1 - 2**-24] * 2)
    for how in ({}, {"top_k": 3}, {"top_p": 0.9}):
        assert pick(normal(2, 7), drawn, **how).max() < 7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ids": "backbone", "first_id": None}, "give `first_token`"),
        ({"first_token": "<I0>"}, "needs `ids: backbone`"),
        ({"top_p": 0.0}, "top_p"),
    ],
)
def test_impossible_fields(fields, message):
    with pytest.raises(ValueError, match=message):
        evolve(OWN, **fields)


def test_words_that_nobody_looked_up_are_refused():
    head = evolve(WORDS, first_token="<I0>", first_id=None).build()
    with pytest.raises(ValueError, match="give `first_id`"):
        head.table.embed(torch.tensor([0]), plain())
