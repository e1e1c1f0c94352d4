// Plays docs/test-vectors.json with Node's own crypto and none of ew's code: a phone in 80 lines.
//
//     node tests/alerts/vectors.mjs docs/test-vectors.json

import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

/** The canonical form of RFC 8785: members sorted by UTF-16 units, numbers as ECMAScript writes them. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

function isSignedBy(message, key) {
  const { signature, ...rest } = message;
  if (typeof signature !== "string") return false;
  const bytes = Buffer.from(signature, "base64url");
  if (bytes.toString("base64url") !== signature) return false; // another spelling of the same bytes
  return verify(null, Buffer.from(canonical(rest)), key, bytes);
}

function keyOf(base64url) {
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: base64url }, format: "jwk" });
}

class Phone {
  constructor(rootPem, cell) {
    this.root = createPublicKey(rootPem);
    this.cell = cell;
    this.document = { serial: 0, expires_us: 0, keys: [] };
    this.versions = new Map();
    this.newestUs = 0;
  }

  takeDocument(body) {
    if (body.v !== 2 || !isSignedBy(body, this.root)) return false;
    const { serial } = this.document;
    if (body.serial < serial) return false;
    if (body.serial === serial) return canonical(body) === canonical(this.document);
    this.document = body;
    this.newestUs = 0;
    return true;
  }

  /** Whether a key of the document that may sign `status` at a moment has signed a message. */
  believes(message, status, nowUs) {
    const entry = this.document.keys.find((one) => one.key_id === message.key_id);
    if (!entry || nowUs >= this.document.expires_us) return false;
    if (nowUs < entry.not_before_us || nowUs > entry.not_after_us) return false;
    return entry.statuses.includes(status) && isSignedBy(message, keyOf(entry.public_key));
  }

  takeHeartbeat(body) {
    // The time is learnt from it, so its key has to be valid at the time that it tells
    if (!this.believes(body, body.mode, body.time_us)) return false;
    if (body.time_us < this.newestUs - 10e6) return false;
    this.newestUs = Math.max(this.newestUs, body.time_us);
    return true;
  }

  takeAlert(payload, nowUs) {
    if (Buffer.byteLength(payload) > 1024) return false;
    const alert = JSON.parse(payload);
    if (!this.believes(alert, alert.status, nowUs)) return false;
    if (alert.target.cell !== this.cell || alert.expires_us <= nowUs) return false;
    if (alert.version <= (this.versions.get(alert.event_id) ?? 0)) return false;
    this.versions.set(alert.event_id, alert.version);
    return true;
  }
}

const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const phone = new Phone(vectors.root, vectors.cell);
let wrong = 0;
for (const { at_us: atUs, topic, payload, accept, why } of vectors.steps) {
  let found;
  if (topic === "ew/v1/keys") found = phone.takeDocument(JSON.parse(payload));
  else if (topic === "ew/v1/heartbeat") found = phone.takeHeartbeat(JSON.parse(payload));
  else found = phone.takeAlert(payload, atUs);
  if (found !== accept) {
    wrong += 1;
    console.error(`${accept ? "refused" : "acted on"}: ${why}`);
  }
}
console.log(`${vectors.steps.length} steps, ${wrong} wrong`);
process.exit(wrong ? 1 : 0);
