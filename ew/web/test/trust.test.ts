import { generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import canonicalize from "canonicalize";
import { describe, expect, it } from "vitest";
import { HeartbeatOrder, ServiceClock } from "../src/clock";
import { ALERT_MOST_BYTES, readAlert } from "../src/device/alert";
import { DeviceMachine } from "../src/device/machine";
import { MessageError, publicKeyFromPem, Trust } from "../src/device/trust";

const NOW_US = 1_800_000_000_000_000;
type Body = Record<string, unknown>;

function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  return { privateKey, raw: publicKeyFromPem(pem) };
}

const root = keyPair();
const signer = keyPair();

function signed(body: Body, key: ReturnType<typeof keyPair>["privateKey"]): Uint8Array {
  const signature = sign(null, Buffer.from(canonicalize(body)!), key).toString("base64url");
  return new TextEncoder().encode(JSON.stringify({ ...body, signature }));
}

function document(change: Body = {}, key = root.privateKey): Uint8Array {
  const entry = {
    key_id: "drill-1",
    algorithm: "Ed25519",
    public_key: Buffer.from(signer.raw).toString("base64url"),
    statuses: ["exercise", "test"],
    not_before_us: NOW_US - 1e9,
    not_after_us: NOW_US + 1e12,
  };
  return signed(
    { v: 2, serial: 7, issued_us: NOW_US, expires_us: NOW_US + 1e12, root_id: "r", keys: [entry], ...change },
    key,
  );
}

function alert(change: Body = {}, key = signer.privateKey): Uint8Array {
  return signed(
    {
      v: 1, event_id: "ew-1", version: 1, kind: "alert", status: "exercise", source: "ew",
      issued_us: NOW_US, expires_us: NOW_US + 60e6,
      origin: { time_us: NOW_US - 5e6, latitude: 28.3, longitude: 104.9, depth_km: 10, magnitude: 6.0 },
      target: { cell: "c1" }, p_arrival_us: NOW_US + 2e6, s_arrival_us: NOW_US + 9e6,
      intensity: 5.1, scale: "CSIS", priority: 0, headline: { en: "Earthquake" }, key_id: "drill-1",
      ...change,
    },
    key,
  );
}

async function trusting(): Promise<Trust> {
  const trust = new Trust([root.raw]);
  await trust.takeDocument(document());
  return trust;
}

function phone(): DeviceMachine {
  return new DeviceMachine({ latitude: 28.7, longitude: 104.6 }, { cell: "c1" }, () => null);
}

describe("trust", () => {
  it("believes what a key of the root's document signed", async () => {
    const body = await (await trusting()).open(alert(), NOW_US);
    expect(readAlert(body).eventId).toBe("ew-1");
  });

  it("refuses a document of a stranger, an older one and another form", async () => {
    const trust = await trusting();
    await expect(trust.takeDocument(document({ serial: 9 }, signer.privateKey))).rejects.toThrow("root");
    await expect(trust.takeDocument(document({ serial: 6 }))).rejects.toThrow("older");
    await expect(trust.takeDocument(document({ v: 1, serial: 9 }))).rejects.toThrow("version 2");
  });

  it("refuses a forged, altered, foreign or expired message", async () => {
    const trust = await trusting();
    await expect(trust.open(alert({}, root.privateKey), NOW_US)).rejects.toThrow("signature");
    await expect(trust.open(alert({ status: "actual" }), NOW_US)).rejects.toThrow("status");
    await expect(trust.open(alert({ key_id: "other" }), NOW_US)).rejects.toThrow("unknown");
    await expect(trust.open(alert(), NOW_US + 2e12)).rejects.toThrow();
  });

  it("refuses every changed bit of an alert", async () => {
    const trust = await trusting();
    const payload = alert();
    for (let place = 0; place < payload.length; place++) {
      const changed = payload.slice();
      changed[place]! ^= 1 << (place % 8);
      await expect(trust.open(changed, NOW_US)).rejects.toThrow();
    }
  });
});

describe("device", () => {
  const heard = async (change: Body = {}) =>
    readAlert(await (await trusting()).open(alert(change), NOW_US));

  it("acts once for a version, sounds once for an event and counts down", async () => {
    const device = phone();
    expect(device.hear(await heard(), NOW_US)?.sounds).toBe(true);
    expect(device.hear(await heard(), NOW_US)).toBeNull();
    expect(device.hear(await heard({ version: 2 }), NOW_US)?.sounds).toBe(false);
    expect(device.current(NOW_US)?.secondsLeft).toBeCloseTo(9, 3);
  });

  it("goes on counting down when another event is cancelled", async () => {
    const device = phone();
    device.hear(await heard(), NOW_US);
    device.hear(await heard({ event_id: "ew-2", intensity: 3.2 }), NOW_US);
    device.hear(await heard({ event_id: "ew-2", version: 2, kind: "cancel" }), NOW_US);
    expect(device.current(NOW_US)?.alert.eventId).toBe("ew-1");
  });

  it("sounds again for a much larger earthquake a moment later", async () => {
    const device = phone();
    const origin = { time_us: NOW_US - 18e6, latitude: 28.3, longitude: 104.9, depth_km: 10 };
    device.hear(await heard({ origin: { ...origin, magnitude: 4.3 } }), NOW_US);
    const larger = { ...origin, time_us: NOW_US - 5e6, magnitude: 7.6 };
    expect(device.hear(await heard({ event_id: "b", origin: larger }), NOW_US)?.sounds).toBe(true);
  });

  it("ignores what has expired and what is for another cell", async () => {
    const device = phone();
    expect(device.hear(await heard({ expires_us: NOW_US - 1 }), NOW_US)).toBeNull();
    expect(device.hear(await heard({ target: { cell: "c2" } }), NOW_US)).toBeNull();
  });
});

describe("published test vectors", () => {
  type Step = { at_us: number; topic: string; payload: string; accept: boolean; id: string; why: string };
  // The page's device leaves its clock to heartbeats: rule C5 of docs/device-protocol.md
  const NOT_KEPT = ["expired-by-the-time-of-an-alert"];
  const file = new URL("../../../docs/test-vectors.json", import.meta.url);
  const vectors = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown> & { steps: Step[] };

  it("are judged step by step as they say", async () => {
    const trust = new Trust([publicKeyFromPem(vectors["root"] as string)]);
    const heartbeats = new HeartbeatOrder();
    let localUs = 0;
    const clock = new ServiceClock(() => localUs);
    const waiting: Uint8Array[] = [];
    const place = { latitude: vectors["latitude"] as number, longitude: vectors["longitude"] as number };
    const device = new DeviceMachine(place, { cell: vectors["cell"] as string }, () => null);

    async function hear(payload: Uint8Array): Promise<boolean> {
      const nowUs = clock.liveUs();
      return device.hear(readAlert(await trust.open(payload, nowUs)), nowUs) !== null;
    }

    async function take({ topic, payload: text, at_us: atUs }: Step): Promise<boolean> {
      localUs = atUs;
      const payload = new TextEncoder().encode(text);
      if (topic === "ew/v1/keys") {
        const before = trust.serial;
        await trust.takeDocument(payload);
        if (trust.serial > before) heartbeats.forget();
        return true;
      }
      if (topic === "ew/v1/heartbeat") {
        const timeUs = (JSON.parse(text) as { time_us: number }).time_us;
        await trust.open(payload, timeUs);
        const order = heartbeats.judge(timeUs);
        if (order === "new") clock.hear(timeUs);
        for (const kept of waiting.splice(0)) await hear(kept);
        return order !== "old";
      }
      if (payload.length > ALERT_MOST_BYTES) return false;
      if (!clock.isSet || !trust.hasKeys) {
        waiting.push(payload);
        return false;
      }
      return hear(payload);
    }

    for (const step of vectors.steps.filter(({ id }) => !NOT_KEPT.includes(id))) {
      const found = await take(step).catch((error: unknown) => {
        if (error instanceof MessageError) return false;
        throw error;
      });
      expect([step.why, found]).toEqual([step.why, step.accept]);
    }
  });

  it("take a document with a key of another algorithm, and one that comes again", async () => {
    const trust = await trusting();
    const keys = (JSON.parse(new TextDecoder().decode(document())) as { keys: Body[] }).keys;
    const later = { ...keys[0], key_id: "later", algorithm: "ML-DSA-44", public_key: "AA" };
    const both = document({ serial: 8, keys: [...keys, later] });
    await trust.takeDocument(both);
    await trust.takeDocument(both);
    expect((await trust.open(alert(), NOW_US))["event_id"]).toBe("ew-1");
  });
});
