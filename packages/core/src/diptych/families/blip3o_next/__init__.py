"""BLIP3o-NEXT (arXiv 2510.15857): image ids first, then latents from their states; its checkpoints and named specs."""
