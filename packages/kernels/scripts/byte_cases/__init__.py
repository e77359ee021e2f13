"""What the byte table counts: one module an operation, which has ``cases()``."""
