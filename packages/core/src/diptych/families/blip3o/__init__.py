"""BLIP3-o (arXiv 2505.09568): its checkpoints and named specs."""
