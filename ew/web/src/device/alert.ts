// An alert as it came: its form is fixed (at most 1 KiB of JSON); what is missing or of a wrong type is
// refused by name. Unknown members are ignored, so that the form can grow.

import type { Origin, Status } from "../types";
import { MessageError, micros } from "./trust";

export const ALERT_MOST_BYTES = 1024;

export type Alert = {
  eventId: string;
  version: number;
  kind: "alert" | "update" | "cancel";
  status: Status;
  issuedUs: number;
  expiresUs: number;
  origin: Origin;
  cell: string | null;
  device: string | null;
  sArrivalUs: number;
  intensity: number;
  headline: Record<string, string>;
};

export function readAlert(body: Record<string, unknown>): Alert {
  if (body["v"] !== 1) throw new MessageError("alert is not of version 1");
  const origin = object(body["origin"], "origin");
  const target = object(body["target"], "target");
  const version = micros(body["version"], "version");
  if (version < 1) throw new MessageError("version is below 1");
  return {
    eventId: string(body["event_id"], "event_id"),
    version,
    kind: oneOf(body["kind"], ["alert", "update", "cancel"] as const, "kind"),
    status: oneOf(body["status"], ["actual", "exercise", "test"] as const, "status"),
    issuedUs: micros(body["issued_us"], "issued_us"),
    expiresUs: micros(body["expires_us"], "expires_us"),
    origin: {
      time_us: micros(origin["time_us"], "origin.time_us"),
      latitude: within(origin["latitude"], -90, 90, "origin.latitude"),
      longitude: within(origin["longitude"], -180, 180, "origin.longitude"),
      depth_km: within(origin["depth_km"], -10, 1000, "origin.depth_km"),
      magnitude: within(origin["magnitude"], -5, 12, "origin.magnitude"),
    },
    cell: target["cell"] === undefined ? null : string(target["cell"], "target.cell"),
    device: target["device"] === undefined ? null : string(target["device"], "target.device"),
    sArrivalUs: micros(body["s_arrival_us"], "s_arrival_us"),
    intensity: within(body["intensity"], -20, 20, "intensity"),
    headline: object(body["headline"], "headline") as Record<string, string>,
  };
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new MessageError(`${name} is not an object`);
  }
  return value as Record<string, unknown>;
}

function string(value: unknown, name: string): string {
  if (typeof value !== "string" || value.length === 0 || value.length > 64) {
    throw new MessageError(`${name} is not a name`);
  }
  return value;
}

function within(value: unknown, low: number, high: number, name: string): number {
  if (typeof value !== "number" || !(value >= low && value <= high)) {
    throw new MessageError(`${name} is not a number from ${low} to ${high}`);
  }
  return value;
}

function oneOf<T extends string>(value: unknown, known: readonly T[], name: string): T {
  if (!known.includes(value as T)) throw new MessageError(`${name} is none of ${known.join(", ")}`);
  return value as T;
}
