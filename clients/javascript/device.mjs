// The smallest honest device, for browsers and Node alike: whom it believes, when it acts, what it
// counts down to. No socket and no clock of its own: give `take` what arrives, in order.
// docs/device-protocol.md is the long form.

const KEEP = 16; // messages kept while keys or time are not known
const SHAKING_US = 30e6;

/** RFC 8785: members sorted by UTF-16 units, numbers as ECMAScript writes them. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort();
  const each = members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${each.join(",")}}`;
}

function bytesOf(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

function base64url(bytes) {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function isSignedBy(message, rawKey) {
  const { signature, ...rest } = message;
  if (typeof signature !== "string") return false;
  const bytes = bytesOf(signature);
  if (base64url(bytes) !== signature) return false; // another spelling of the same bytes
  const key = await crypto.subtle.importKey("raw", rawKey, { name: "Ed25519" }, false, ["verify"]);
  const text = new TextEncoder().encode(canonical(rest));
  return crypto.subtle.verify("Ed25519", key, bytes, text);
}

/** The 32 bytes of a public key in PEM: the end of its SubjectPublicKeyInfo (RFC 8410). */
function rawOfPem(pem) {
  const der = bytesOf(pem.replace(/-----[A-Z ]+-----|\s/g, ""));
  if (der.length !== 44) throw new Error("the root is not an Ed25519 public key (PEM)");
  return der.slice(12);
}

function isSameEarthquake(one, other) {
  const km =
    111.2 *
    Math.hypot(
      one.latitude - other.latitude,
      (((one.longitude - other.longitude + 540) % 360) - 180) *
        Math.cos((one.latitude * Math.PI) / 180),
    );
  return (
    Math.abs(one.time_us - other.time_us) <= 20e6 &&
    km <= 100 &&
    one.magnitude < other.magnitude + 1
  );
}

export class Device {
  /**
   * `roots`: PEM texts. `target`: {cell: "85…"} or {device: "…"}. `levels`: intensities.
   * `known`: {serial, signature} of the newest document, kept over restarts by the caller.
   */
  constructor(
    roots,
    target,
    { levels = { notice: 2, full: 3 }, known = { serial: 0, signature: "" } } = {},
  ) {
    this.roots = roots.map(rawOfPem);
    this.target = target;
    this.levels = levels;
    this.known = known;
    this.document = null;
    this.offsetUs = null; // service's time minus ours
    this.newestUs = 0;
    this.behindSince = null;
    this.versions = new Map();
    this.sounded = new Map(); // origins by event
    this.expected = new Map(); // alerts by event
    this.waiting = [];
    this.queue = Promise.resolve();
  }

  /** What is to be subscribed, the second list once the first is answered. */
  topics() {
    const [[kind, id]] = Object.entries(this.target);
    return [["ew/v1/keys", "ew/v1/heartbeat"], [`ew/v1/alert/${kind}/${id}`]];
  }

  /** Takes one message (own clock in µs): what is done about it, as a list of actions. */
  take(topic, text, ownUs) {
    const done = this.queue.then(() => this.#take(topic, text, ownUs).catch(() => []));
    this.queue = done;
    return done;
  }

  async #take(topic, text, ownUs) {
    const isAlert = topic.startsWith("ew/v1/alert/");
    if (new TextEncoder().encode(text).length > (topic === "ew/v1/keys" ? 65536 : 1024)) return [];
    if (isAlert && !(this.document && this.offsetUs !== null)) {
      this.waiting = [...this.waiting, [topic, text]].slice(-KEEP);
      return [];
    }
    const body = JSON.parse(text);
    if (isAlert) return this.#alert(body, ownUs);
    const found =
      topic === "ew/v1/keys" ? await this.#keys(body) : await this.#heartbeat(body, ownUs);
    if (!found) return [];
    const actions = [found];
    if (this.document && this.offsetUs !== null)
      for (const [, kept] of this.waiting.splice(0))
        actions.push(...(await this.#alert(JSON.parse(kept), ownUs).catch(() => [])));
    return actions;
  }

  async #keys(body) {
    const { serial, signature } = this.known;
    if (body.v !== 2 || !Number.isSafeInteger(body.serial) || body.serial < serial) return null;
    if (body.serial === serial && body.signature !== signature) return null;
    const signed = await Promise.all(this.roots.map((root) => isSignedBy(body, root)));
    if (!signed.includes(true)) return null;
    if (body.serial > serial) this.newestUs = 0;
    this.document = body; // keys that are not in it are forgotten
    this.known = { serial: body.serial, signature: body.signature };
    return { do: "trust", serial: body.serial };
  }

  async #believes(message, status, nowUs) {
    const entry = this.document?.keys.find(
      (one) => one.key_id === message.key_id && one.algorithm === "Ed25519",
    );
    if (!entry || nowUs >= this.document.expires_us) return false;
    if (nowUs < entry.not_before_us || nowUs > entry.not_after_us) return false;
    return entry.statuses.includes(status) && isSignedBy(message, bytesOf(entry.public_key));
  }

  async #heartbeat(body, ownUs) {
    if (
      !(await this.#believes(body, body.mode, body.time_us)) ||
      body.time_us < this.newestUs - 10e6
    )
      return null;
    if (body.time_us > this.newestUs) {
      this.newestUs = body.time_us;
      this.#setClock(body.time_us - ownUs, ownUs);
    }
    return { do: "time", health: body.health };
  }

  /** A heartbeat never comes early: the largest offset counts, others move it slowly. */
  #setClock(offsetUs, ownUs) {
    const behindUs = (this.offsetUs ?? -Infinity) - offsetUs;
    if (behindUs <= 2e6) this.behindSince = null;
    if (behindUs <= 0) this.offsetUs = offsetUs;
    else if (behindUs <= 2e6) this.offsetUs -= 0.2 * behindUs;
    else if (this.behindSince === null) this.behindSince = ownUs;
    else if (ownUs - this.behindSince >= 5e6) this.offsetUs = offsetUs;
  }

  async #alert(alert, ownUs) {
    const nowUs = Math.max(ownUs + this.offsetUs, alert.issued_us); // none comes from the future
    if (!(await this.#believes(alert, alert.status, nowUs))) return [];
    const [[kind, id]] = Object.entries(this.target);
    if (alert.target[kind] !== id || alert.expires_us <= nowUs) return [];
    if (alert.version <= (this.versions.get(alert.event_id) ?? 0)) return [];
    this.offsetUs = nowUs - ownUs;
    this.versions.set(alert.event_id, alert.version);
    const common = {
      event_id: alert.event_id,
      version: alert.version,
      is_drill: alert.status !== "actual",
    };
    if (alert.kind === "cancel") {
      this.expected.delete(alert.event_id);
      return [{ do: "cancel", ...common }];
    }
    this.expected.set(alert.event_id, alert);
    const { notice, full } = this.levels;
    const level =
      alert.intensity >= full ? "full" : alert.intensity >= notice ? "notice" : "silent";
    const isOld = [...this.sounded.entries()].some(
      ([event, origin]) => event === alert.event_id || isSameEarthquake(alert.origin, origin),
    );
    const sounds = level === "full" && !isOld;
    if (level === "full") this.sounded.set(alert.event_id, alert.origin);
    const { intensity, origin, headline } = alert;
    const left_s = (alert.s_arrival_us - nowUs) / 1e6;
    return [
      {
        do: "alert",
        ...common,
        level,
        sounds,
        left_s,
        intensity,
        magnitude: origin.magnitude,
        headline,
      },
    ];
  }

  /** The strongest earthquake: {left_s, alert}, negative while it shakes; null when idle. */
  countdown(ownUs) {
    const nowUs = ownUs + (this.offsetUs ?? 0);
    let strongest = null;
    for (const [event, alert] of this.expected) {
      if (nowUs - alert.s_arrival_us > SHAKING_US) this.expected.delete(event);
      else if (!strongest || alert.intensity > strongest.intensity) strongest = alert;
    }
    return strongest && { left_s: (strongest.s_arrival_us - nowUs) / 1e6, alert: strongest };
  }
}
