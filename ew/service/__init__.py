"""SHELL: the running service: tasks, wiring, health."""
