// The events the page knows: all their versions, which are under way at a moment, and how many
// seconds a place has left. Nothing here touches the document or the network.

import { type Estimate, estimate, reachKm } from "./geo";
import type { EventVersion, Latency, Place } from "./types";

/** An event is shown as under way at least this long after its origin, s. */
const LEAST_SHOWN_S = 60;
/** ... and this long after its S-wave has passed the last alerted place, s. */
const AFTER_LAST_S = 30;
/** From S arrival on a place counts as shaking for this long, s; then it is over. */
export const SHAKING_S = 30;

export class EventStore {
  private readonly byId = new Map<string, EventVersion[]>();

  /** Takes a version; whether it was new. Versions may come twice and in any order. */
  add(version: EventVersion): boolean {
    const versions = this.byId.get(version.event_id) ?? [];
    const place = versions.findIndex((known) => known.version >= version.version);
    if (place >= 0 && versions[place]!.version === version.version) {
      versions[place] = { ...versions[place]!, ...version };
      return false;
    }
    versions.splice(place < 0 ? versions.length : place, 0, version);
    this.byId.set(version.event_id, versions);
    return true;
  }

  addLatency(eventId: string, version: number, latency: Latency): void {
    const known = this.byId.get(eventId)?.find((one) => one.version === version);
    if (known) known.latency = { ...known.latency, ...latency };
  }

  versions(eventId: string): readonly EventVersion[] {
    return this.byId.get(eventId) ?? [];
  }

  /** The newest version that had been issued at a moment. */
  at(eventId: string, nowUs: number): EventVersion | undefined {
    return this.versions(eventId).findLast((version) => version.issued_us <= nowUs);
  }

  newest(eventId: string): EventVersion | undefined {
    return this.versions(eventId).at(-1);
  }

  /** The newest version of each event, newest origin first. */
  all(): EventVersion[] {
    return [...this.byId.values()]
      .map((versions) => versions.at(-1)!)
      .sort((a, b) => b.origin.time_us - a.origin.time_us);
  }

  /** Events under way at a moment, as they were known then, the largest first. */
  underWay(nowUs: number): EventVersion[] {
    return [...this.byId.keys()]
      .map((eventId) => this.at(eventId, nowUs))
      .filter((version): version is EventVersion => !!version && isUnderWay(version, nowUs))
      .sort((a, b) => (b.origin.magnitude ?? 0) - (a.origin.magnitude ?? 0));
  }
}

export function isUnderWay(version: EventVersion, nowUs: number): boolean {
  if (version.kind === "cancel") return false;
  const since = (nowUs - version.origin.time_us) / 1e6;
  return since < endOfEventS(version) && nowUs < Math.max(version.expires_us, version.issued_us);
}

/** When an event is over, seconds after its origin. */
export function endOfEventS(version: EventVersion): number {
  const { profile } = version;
  if (!profile) return 2 * LEAST_SHOWN_S;
  const last = profile.distance_km.findLastIndex((km) => km <= profile.alert_km);
  return Math.max(LEAST_SHOWN_S, (profile.s_s[Math.max(last, 0)] ?? 0) + AFTER_LAST_S);
}

export type PlaceState = "none" | "counting" | "shaking" | "over" | "cancelled";

export type PlaceView = {
  state: PlaceState;
  /** Seconds to S, negative after it. */
  secondsLeft: number;
  estimate: Estimate | null;
  /** Whether S had passed the place before the first alert: it lies in the blind zone. */
  isBlind: boolean;
};

/** What an event means at a place at a moment. */
export function viewAt(
  version: EventVersion | undefined,
  first: EventVersion | undefined,
  place: Place | null,
  nowUs: number,
): PlaceView {
  if (!version?.profile || !place) {
    return { state: "none", secondsLeft: Number.NaN, estimate: null, isBlind: false };
  }
  const found = estimate(version.origin, version.profile, place);
  const secondsLeft = (found.sArrivalUs - nowUs) / 1e6;
  const state = secondsLeft > 0 ? "counting" : secondsLeft > -SHAKING_S ? "shaking" : "over";
  const isBlind = found.sArrivalUs <= (first ?? version).issued_us;
  return { state, secondsLeft, estimate: found, isBlind };
}

/** The event whose S-wave matters most at a place: the strongest that is still to come or shaking. */
export function mostUrgent(
  events: readonly EventVersion[],
  place: Place | null,
  nowUs: number,
): EventVersion | undefined {
  if (!place) return events[0];
  const score = (version: EventVersion): number => {
    const view = viewAt(version, version, place, nowUs);
    const strength = view.estimate?.intensity ?? 0;
    return view.state === "over" ? strength - 100 : strength;
  };
  return [...events].sort((a, b) => score(b) - score(a))[0];
}

/** Radius of the blind zone: where S arrived before the first alert was issued, km. */
export function blindZoneKm(first: EventVersion): number {
  if (!first.profile) return 0;
  const elapsed = (first.issued_us - first.origin.time_us) / 1e6;
  return Math.max(0, reachKm(first.profile, "s_s", elapsed));
}
