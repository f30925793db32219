"""Numbers about the work, for this machine's own Prometheus; off unless the settings name a port."""
