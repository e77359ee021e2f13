"""The metrics' arithmetic: models on one side, the answer key and the judge on the other."""
