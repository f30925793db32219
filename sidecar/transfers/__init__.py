"""Media of machines that share no folder with this one: what they send, and where their takes go."""
