"""SHELL: what must outlive the process: devices and the event journal."""
