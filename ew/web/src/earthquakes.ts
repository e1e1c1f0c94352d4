// When two events are one earthquake to a listener, and so make one sound. Pages and devices share it.

import { distanceKm } from "./geo";
import type { Origin } from "./types";

/** Two ids are one earthquake where origins are this near and magnitudes this alike. */
const SAME_S = 20;
const SAME_KM = 100;
const SAME_MAGNITUDE = 1.0;

/** One sound an earthquake: remembers which have sounded. */
export class Sounded {
  /** The newest origin of each event that has sounded. */
  private readonly origins = new Map<string, Origin>();

  /** Takes a version of an event; whether it sounds now, where it is strong enough to sound at all. */
  take(eventId: string, origin: Origin, isStrong: boolean): boolean {
    const sounds = isStrong && !this.hasSounded(eventId, origin);
    if (sounds || this.origins.has(eventId)) this.origins.set(eventId, origin);
    return sounds;
  }

  /** A larger earthquake soon after and near another is not the same: it sounds as well. */
  private hasSounded(eventId: string, origin: Origin): boolean {
    if (this.origins.has(eventId)) return true;
    return [...this.origins.values()].some((before) => {
      const isLarger = (origin.magnitude ?? 0) >= (before.magnitude ?? 0) + SAME_MAGNITUDE;
      const apartS = Math.abs(before.time_us - origin.time_us) / 1e6;
      return apartS < SAME_S && distanceKm(before, origin) < SAME_KM && !isLarger;
    });
  }
}
