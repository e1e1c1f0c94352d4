"""SHELL: stores devices and the event journal in a database, and keys and state in files."""
