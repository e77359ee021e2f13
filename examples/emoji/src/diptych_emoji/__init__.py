"""Emoji scenes for Diptych: a small world of pictures and text, and a judge that sees it."""
