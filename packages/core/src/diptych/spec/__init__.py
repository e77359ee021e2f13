"""Specs: models and recipes as frozen data. Nothing here imports torch."""
