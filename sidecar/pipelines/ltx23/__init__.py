"""LTX-2.3 behind the `Engine` seam: diffusers' components, one denoise loop of our own, every job a set of states."""
