"""What this package raises beyond ``ValueError`` and ``TypeError``."""


class ImplementationUnavailableError(RuntimeError):
    """An implementation was asked for by name and cannot run here; the message says why."""
