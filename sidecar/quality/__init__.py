"""Checks on the delivered file, read back from disk."""
