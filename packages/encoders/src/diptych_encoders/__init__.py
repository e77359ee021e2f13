"""Encoders, autoencoders and normalisers of targets: parts that plug into Diptych, or stand alone.

Importing a spec (`diptych_encoders.clip.Clip`) imports no torch; its `build()` does.
"""

__version__ = "0.1.0"
