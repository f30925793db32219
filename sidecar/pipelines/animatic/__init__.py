"""`animatic`, the embedded default: honest previz on the CPU, without weights, the same for the same seed."""
