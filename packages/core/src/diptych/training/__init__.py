"""Training: one loop over the stages of a recipe."""
