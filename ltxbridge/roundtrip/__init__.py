"""One timeline in, one delivery out: read, plan, ask the sidecar, patch, verify, report."""
