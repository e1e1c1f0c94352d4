"""An MQTT 3.1.1 and 5 broker for asyncio, made for fan-out: one publish to many subscribers.

Reading order: ``packets`` (the standard's names), ``decode``, ``fields`` and ``encode`` (bytes to
packets and back), ``subscriptions``, ``sessions`` and ``router`` (who receives a message),
``access`` (who may do what), ``requests`` (what each packet does), ``scheduler`` (fair shares of
the event loop), ``connection``, ``server``, ``program``. None before ``connection`` knows a socket
or a clock. ``README.md`` beside this file says how to use it and which rules of the standards it
keeps.
"""
