"""Generation heads: from a condition to the tokens of a target."""
