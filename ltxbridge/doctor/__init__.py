"""Is this machine fit for work, and if not, what to do."""
