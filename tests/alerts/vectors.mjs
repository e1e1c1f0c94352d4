// Plays docs/test-vectors.json against the device of clients/javascript, which has none of ew's code.
//
//     node tests/alerts/vectors.mjs docs/test-vectors.json

import { readFileSync } from "node:fs";
import { Device } from "../../clients/javascript/device.mjs";

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const device = new Device([vectors.root], { cell: vectors.cell });
let wrong = 0;
for (const { at_us: atUs, topic, payload, accept, why, expect = {} } of vectors.steps) {
  const actions = await device.take(topic, payload, atUs);
  const isTaken = actions.length > 0;
  const differs = Object.entries(expect).filter(([name, value]) => {
    const found = actions.at(-1)?.[name];
    return typeof value === "number" ? !(Math.abs(found - value) < 0.01) : found !== value;
  });
  if (isTaken && differs.length) {
    wrong += 1;
    console.error(`done otherwise: ${why}: ${JSON.stringify(differs)}`);
  }
  if (isTaken !== accept) {
    wrong += 1;
    console.error(`${accept ? "refused" : "acted on"}: ${why}`);
  }
}
console.log(`${vectors.steps.length} steps, ${wrong} wrong`);
process.exit(wrong ? 1 : 0);
