"""Backbones: the language model where everything meets."""
