"""Checkpoints: a folder of spec, manifest, safetensors and tokenizer."""
