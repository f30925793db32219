"""Checkpoints: what is installed, from where, with which digests, and under which licences. Knows no torch."""
