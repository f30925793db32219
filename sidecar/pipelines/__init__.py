"""Engines: what makes the pictures. Torch is allowed here and in the worker's child, nowhere else."""
