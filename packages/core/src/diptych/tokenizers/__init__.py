"""Text tokenizers: text <-> ids, special tokens by name."""
