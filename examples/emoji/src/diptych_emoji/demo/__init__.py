"""The demo: one small model answers questions about pictures it has never seen, and paints."""
