"""The embedded MQTT broker: nothing to install, MQTT 3.1.1 and 5, made for wide fan-out.

``codec`` turns bytes into packets and back and knows no socket; ``state`` holds sessions, subscriptions and retained
messages; ``server`` is the asyncio protocol around them. ``python -m ew.delivery.embedded`` runs one.
"""
