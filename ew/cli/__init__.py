"""SHELL: the command line: it parses, calls and prints."""
