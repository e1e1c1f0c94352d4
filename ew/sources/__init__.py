"""SHELL: bytes from outside become packets."""
