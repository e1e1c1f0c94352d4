// A device in a terminal; `npm ci` here first brings MQTT.js:
//
//     node main.mjs --broker mqtt://HOST:1883 --root root.pub.pem --cell 85… [--state FILE]
//
// The broker's password, for a URL with a user, comes from EW_BROKER_PASSWORD.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import mqtt from "mqtt";
import { Device } from "./device.mjs";

const text = { type: "string" };
const { values } = parseArgs({
  options: {
    broker: { ...text, default: "mqtt://127.0.0.1:1883" },
    root: { ...text, multiple: true },
    cell: text,
    device: text,
    state: text,
  },
});
const target = values.device ? { device: values.device } : { cell: values.cell };
if (!values.root || !(values.cell || values.device)) {
  console.error("give --root FILE and --cell H3 or --device ID");
  process.exit(2);
}

let known;
try {
  if (values.state) known = JSON.parse(readFileSync(values.state, "utf8"));
} catch (error) {
  if (error.code !== "ENOENT") throw error; // broken: not a device that knows nothing
}
const device = new Device(
  values.root.map((file) => readFileSync(file, "utf8")),
  target,
  known ? { known } : {},
);
const ownUs = () => Date.now() * 1000;

function remember() {
  if (!values.state) return;
  writeFileSync(`${values.state}.new`, JSON.stringify(device.known));
  renameSync(`${values.state}.new`, values.state);
}

const client = mqtt.connect(values.broker, {
  password: process.env.EW_BROKER_PASSWORD,
  protocolVersion: 5,
});
const [first, second] = device.topics();
client.on("connect", async () => {
  await client.subscribeAsync(first, { qos: 1 });
  await client.subscribeAsync(second, { qos: 1 }); // a retained alert finds the keys
  console.log("connected");
});
client.on("error", (error) => console.error(error.message));
client.on("message", async (topic, payload) => {
  for (const action of await device.take(topic, payload.toString(), ownUs())) {
    if (action.do === "trust") remember();
    if (action.do !== "time") console.log(JSON.stringify(action));
  }
});

let shown = "";
setInterval(() => {
  const found = device.countdown(ownUs());
  const word = found && (found.left_s > 0 ? `${Math.floor(found.left_s)} s` : "shaking");
  const line = found ? `${found.alert.status === "actual" ? "" : "EXERCISE "}${word}` : "";
  if (line && line !== shown) console.log(line);
  shown = line;
}, 100);
