"""Heads for Diptych: from a condition to features, latents, text or pixels.

Each kind of part has a folder. Its `specs.py` says what the parts are (plain data, no torch); the
files beside it hold the modules and functions that the specs build.
"""

__version__ = "0.1.0"
