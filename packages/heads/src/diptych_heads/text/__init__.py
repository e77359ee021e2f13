"""Text heads: from the backbone's states to words."""
