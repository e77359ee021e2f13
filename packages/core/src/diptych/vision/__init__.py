"""Core's own small vision parts: enough to build and train something with no other package installed."""
