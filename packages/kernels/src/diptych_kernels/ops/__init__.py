"""The operations, a folder each: reference, argument checks, kernels, launchers, registration."""
