"""Foreign checkpoints <-> ours: tables of key rules over one engine, streamed one tensor at a time."""
