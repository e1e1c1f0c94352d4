// What a device believes: documents of keys signed by its pinned roots, and messages signed by those
// keys, over the canonical form of RFC 8785. The private keys are elsewhere; this only checks.

import { hashes, verifyAsync } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import canonicalize from "canonicalize";
import type { Status } from "../types";

// Without a secure context (plain HTTP from another machine) a browser has no WebCrypto
hashes.sha512Async = async (message) => sha512(message);

const KEYS_MOST_BYTES = 64 * 1024;
const MOST_MICROS = 2 ** 53 - 1;

export class MessageError extends Error {}

type Key = {
  publicKey: Uint8Array;
  statuses: readonly Status[];
  notBeforeUs: number;
  notAfterUs: number;
};

type Json = Record<string, unknown>;

export class Trust {
  private keys = new Map<string, Key>();
  private expiresUs = 0;
  private signature: unknown;
  serial: number;

  /** `roots`: raw Ed25519 public keys, 32 bytes each; `serial`: the newest document seen before. */
  constructor(
    private readonly roots: readonly Uint8Array[],
    serial = 0,
  ) {
    this.serial = serial;
  }

  /**
   * Takes a document of keys if a root signed it and it is newer than all before. Its age is asked
   * when a message is opened, since the time may only be learnt from a heartbeat these keys sign.
   */
  async takeDocument(payload: Uint8Array): Promise<void> {
    if (payload.length > KEYS_MOST_BYTES) throw new MessageError("keys document is too long");
    const body = parseObject(payload);
    if (body["v"] !== 2) throw new MessageError("keys document is not of version 2");
    const serial = micros(body["serial"], "serial");
    const expiresUs = micros(body["expires_us"], "expires_us");
    const isSigned = await Promise.all(this.roots.map((root) => isSignedBy(body, root)));
    if (!isSigned.includes(true)) throw new MessageError("keys document is not signed by a root");
    if (serial === this.serial && body["signature"] === this.signature) return; // once more
    if (serial < this.serial || (serial === this.serial && this.signature !== undefined)) {
      throw new MessageError("keys document is older than the one known, or another of its serial");
    }
    const keys = body["keys"];
    if (!Array.isArray(keys)) throw new MessageError("keys document has no list of keys");
    // Keys of algorithms that come later are for devices that know them
    const known = (keys as Json[]).filter((entry) => entry["algorithm"] === "Ed25519");
    this.keys = new Map(known.map(readKey));
    this.serial = serial;
    this.signature = body["signature"];
    this.expiresUs = expiresUs;
  }

  get hasKeys(): boolean {
    return this.keys.size > 0;
  }

  /** The object of a message whose signature holds; throws otherwise. */
  async open(payload: Uint8Array, nowUs: number): Promise<Json> {
    const body = parseObject(payload);
    const key = this.keys.get(String(body["key_id"]));
    if (!key || nowUs >= this.expiresUs) throw new MessageError("the key is unknown");
    if (nowUs < key.notBeforeUs || nowUs > key.notAfterUs) {
      throw new MessageError("the key is not valid now");
    }
    const status = body["status"] ?? body["mode"];
    if (!key.statuses.includes(status as Status)) {
      throw new MessageError("the key may not sign this status");
    }
    if (!(await isSignedBy(body, key.publicKey))) throw new MessageError("the signature is wrong");
    return body;
  }
}

/** The 32 raw bytes of an Ed25519 public key in PEM (RFC 8410). */
export function publicKeyFromPem(pem: string): Uint8Array {
  const der = fromBase64(pem.replace(/-----[^-]+-----|\s+/g, ""));
  const PREFIX = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
  if (der.length !== 44 || PREFIX.some((byte, index) => der[index] !== byte)) {
    throw new MessageError("not an Ed25519 public key in PEM");
  }
  return der.slice(12);
}

function readKey(entry: Json): [string, Key] {
  const { key_id: keyId, public_key: publicKey, statuses } = entry;
  if (typeof keyId !== "string" || !Array.isArray(statuses)) {
    throw new MessageError("a key of the document is malformed");
  }
  const key = {
    publicKey: fromBase64Url(publicKey, 32),
    statuses: statuses as Status[],
    notBeforeUs: micros(entry["not_before_us"], "not_before_us"),
    notAfterUs: micros(entry["not_after_us"], "not_after_us"),
  };
  return [keyId, key];
}

async function isSignedBy(body: Json, publicKey: Uint8Array): Promise<boolean> {
  const { signature, ...unsigned } = body;
  const canonical = canonicalize(unsigned);
  if (canonical === undefined) return false;
  try {
    const bytes = fromBase64Url(signature, 64);
    return await verify(bytes, new TextEncoder().encode(canonical), publicKey);
  } catch (error) {
    if (error instanceof MessageError) return false;
    throw error;
  }
}

let hasWebCrypto = typeof crypto !== "undefined" && "subtle" in crypto;

async function verify(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): Promise<boolean> {
  const plain = (bytes: Uint8Array) => bytes as Uint8Array<ArrayBuffer>;
  if (hasWebCrypto) {
    try {
      const key = await crypto.subtle.importKey("raw", plain(publicKey), "Ed25519", false, [
        "verify",
      ]);
      return await crypto.subtle.verify("Ed25519", key, plain(signature), plain(message));
    } catch (error) {
      // A browser that has no Ed25519 says so once; from then on the library checks
      if (!(error instanceof DOMException) || error.name !== "NotSupportedError") return false;
      hasWebCrypto = false;
    }
  }
  try {
    return await verifyAsync(signature, message, publicKey);
  } catch {
    return false; // the library throws where bytes are no point of the curve
  }
}

export function parseObject(payload: Uint8Array): Json {
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    throw new MessageError("not JSON in UTF-8");
  }
  if (found === null || typeof found !== "object" || Array.isArray(found)) {
    throw new MessageError("not a JSON object");
  }
  return found as Json;
}

export function micros(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > MOST_MICROS) {
    throw new MessageError(`${name} is not an integer of microseconds`);
  }
  return value;
}

function fromBase64Url(text: unknown, length: number): Uint8Array {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text)) {
    throw new MessageError("not base64url");
  }
  if (text.length !== Math.ceil((length * 4) / 3)) throw new MessageError("not of the right length");
  const bytes = fromBase64(text.replace(/-/g, "+").replace(/_/g, "/"));
  // The last letter's spare bits are zero, or a second spelling would pass for another message
  const last = btoa(String.fromCharCode(...bytes.slice(length - (length % 3))));
  const letter = last.replace(/=/g, "").at(-1)?.replace("+", "-").replace("/", "_");
  if (length % 3 && letter !== text.at(-1)) throw new MessageError("not in its one spelling");
  return bytes;
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
