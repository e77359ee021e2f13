"""A tiny Janus as transformers writes it: random weights, a tokenizer that splits words as DeepSeek's does."""

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import nn

from diptych.families.janus.prompt import END, PAD, START


SPECIAL = [START, END, PAD, "<image_placeholder>", "<begin_of_image>", "<end_of_image>", "<|User|>", "<|Assistant|>"]
SPLITS = [
    r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"\s+$", r"\p{N}",
]  # fmt: skip
WIDTH, ROWS, CODES = 32, 300, 23
TEXT = {
    "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 24, "vocab_size": ROWS, "max_position_embeddings": 512,
}  # fmt: skip
VISION = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16, "patch_size": 4,
    "projection_dim": WIDTH, "num_image_tokens": 16, "mlp_ratio": 2.0,
}  # fmt: skip
IDS = {
    "embed_dim": 4, "num_embeddings": CODES, "projection_dim": WIDTH, "image_token_embed_dim": WIDTH,
    "base_channels": 32, "channel_multiplier": [1, 2], "num_res_blocks": 1, "latent_channels": 8,
}  # fmt: skip


def tokenizer():
    """Bytes, a few merges over spaces, and the tokens of Janus-Pro."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("\u0120", "a"), ("\u0120", "w"), ("\u0120w", "h"), ("a", "t"), ("\u0120", "c")]
    vocab = {letter: i for i, letter in enumerate(letters)}
    for left, right in merges:
        vocab[left + right] = len(vocab)
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    splits = [pre_tokenizers.Split(Regex(each), "isolated") for each in SPLITS]
    made.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(each, special=True, normalized=False) for each in SPECIAL])
    first = (START, made.token_to_id(START))
    made.post_processor = processors.TemplateProcessing(single=f"{START} $A", special_tokens=[first])
    return made


def official(*, seed=0, **config):
    """The model of transformers, its weights far enough from zero that every one matters."""
    from transformers.models.janus.configuration_janus import JanusConfig
    from transformers.models.janus.modeling_janus import JanusForConditionalGeneration

    torch.manual_seed(seed)
    ids = {each: tokenizer().token_to_id(each) for each in SPECIAL}
    sizes = {"text_config": TEXT, "vision_config": VISION, "vq_config": IDS, "tie_word_embeddings": False}
    model = JanusForConditionalGeneration(JanusConfig(**{**sizes, "image_token_id": ids[SPECIAL[3]], **config}))
    with torch.no_grad():
        for each in model.parameters():
            each.add_(0.15 * torch.randn_like(each))
        codes = model.model.vqmodel.quantize.embedding.weight
        codes.copy_(nn.functional.normalize(codes, dim=-1))  # as published: the two ways of finding codes agree
    made = model.generation_config
    made.bos_token_id, made.eos_token_id, made.pad_token_id = ids[START], ids[END], ids[PAD]
    made.generation_kwargs = {"boi_token_id": ids["<begin_of_image>"]}
    return model.eval()


def write(model, folder):
    """Write it as a release: weights, configs, tokenizer, picture processor."""
    folder = Path(folder)
    model.save_pretrained(folder)
    tokenizer().save(str(folder / "tokenizer.json"))
    half = [0.5] * 3
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": half, "image_std": half}))
    return folder
