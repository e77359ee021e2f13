"""Pictures written token by token by the backbone itself."""
