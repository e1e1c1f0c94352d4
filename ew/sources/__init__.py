"""SHELL: turns bytes from outside into packets."""
