// Plays docs/test-vectors.json against the device of clients/javascript, which has none of ew's code.
//
//     node tests/alerts/vectors.mjs docs/test-vectors.json

import { readFileSync } from "node:fs";
import { Device } from "../../clients/javascript/device.mjs";

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const device = new Device([vectors.root], { cell: vectors.cell });
let wrong = 0;
for (const { at_us: atUs, topic, payload, accept, why } of vectors.steps) {
  const isTaken = (await device.take(topic, payload, atUs)).length > 0;
  if (isTaken !== accept) {
    wrong += 1;
    console.error(`${accept ? "refused" : "acted on"}: ${why}`);
  }
}
console.log(`${vectors.steps.length} steps, ${wrong} wrong`);
process.exit(wrong ? 1 : 0);
