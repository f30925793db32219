"""Readers in a box: what strangers made is parsed and decoded in a child process with limits."""
