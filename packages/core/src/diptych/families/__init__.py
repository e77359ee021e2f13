"""Model families whose released checkpoints can be read and written: an importer and named specs each."""
