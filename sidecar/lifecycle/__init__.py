"""What the sidecar leaves on disk over the weeks: how much it may be, and how it goes again."""
