"""SHELL: messages reach devices over MQTT."""
