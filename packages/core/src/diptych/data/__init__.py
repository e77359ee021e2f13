"""Data: samples, mixtures, and what turns pictures into tensors."""
