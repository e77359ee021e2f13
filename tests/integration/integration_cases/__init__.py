"""What several integration tests use."""
