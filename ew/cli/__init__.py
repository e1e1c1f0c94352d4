"""SHELL: the command line: parses, calls, prints."""
