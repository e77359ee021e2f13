"""What the compile report compiles: one module an operation, which has ``CASES``."""
