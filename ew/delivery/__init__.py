"""SHELL: sends messages to devices over MQTT."""
