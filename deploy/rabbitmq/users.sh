#!/bin/sh
# Makes ew's users on a running RabbitMQ: "ew" may do all on ew/v1/…, "device" may listen to alerts, events, heartbeat and keys
# and send receipts. MQTT's "/" is "." here. DEVICE_PASSWORD is the mqtt.default_pass of rabbitmq.conf.
set -eu
ctl=${RABBITMQCTL:-rabbitmqctl}
queues='^(mqtt-subscription-.*|amq\.topic)$'

"$ctl" -q add_user ew "$EW_PASSWORD"
"$ctl" -q set_permissions ew "$queues" "$queues" "$queues"
"$ctl" -q set_topic_permissions ew amq.topic '^ew\.v1\.' '^ew\.v1\.'

"$ctl" -q add_user device "$DEVICE_PASSWORD"
"$ctl" -q set_permissions device "$queues" "$queues" "$queues"
"$ctl" -q set_topic_permissions device amq.topic '^ew\.v1\.receipt\.' '^ew\.v1\.(alert|event|heartbeat|keys)(\.|$)'
