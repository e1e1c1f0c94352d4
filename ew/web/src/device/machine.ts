// How a phone or a television behaves: the state machine of docs/device-protocol.md, without a socket
// or a clock of its own. It is held by the same vectors as the simulated devices.

import { Sounded } from "../earthquakes";
import { distanceKm } from "../geo";
import type { Place } from "../types";
import type { Alert } from "./alert";

export type Level = "silent" | "notice" | "full";
export type DeviceState = "idle" | "countdown" | "shaking" | "all-clear";

const SHAKING_S = 30;
const ALL_CLEAR_S = 20;

export type Thresholds = { notice: number; full: number };
export const THRESHOLDS: Thresholds = { notice: 2, full: 3 };

export type Reaction = { alert: Alert; level: Level; sounds: boolean; sArrivalUs: number };
type Known = { alert: Alert; sArrivalUs: number; level: Level };

/** Travel time of S in s at a distance (km) for a depth (km); `null` where no table is at hand. */
export type TravelTime = (distanceKm: number, depthKm: number) => number | null;

export class DeviceMachine {
  refused = 0;
  private readonly known = new Map<string, Known>();
  private readonly versions = new Map<string, number>();
  private readonly sounded = new Sounded();

  constructor(
    public place: Place,
    public readonly address: { cell: string } | { device: string },
    private readonly travelTimeS: TravelTime,
    private readonly thresholds: Thresholds = THRESHOLDS,
  ) {}

  /** Acts on an alert whose signature holds; `null` where it is not for this device or out of date. */
  hear(alert: Alert, nowUs: number): Reaction | null {
    const isMine =
      "cell" in this.address
        ? alert.cell === this.address.cell
        : alert.device === this.address.device;
    const known = this.versions.get(alert.eventId) ?? 0;
    if (!isMine || alert.expiresUs <= nowUs || alert.version <= known) {
      this.refused += 1;
      return null;
    }
    this.versions.set(alert.eventId, alert.version);
    const sArrivalUs = this.ownArrivalUs(alert);
    if (alert.kind === "cancel") {
      // Only its own event ends; another one goes on counting down
      if (!this.known.delete(alert.eventId)) return null;
      return { alert, level: "notice", sounds: false, sArrivalUs };
    }
    const level = this.level(alert.intensity);
    this.known.set(alert.eventId, { alert, sArrivalUs, level });
    const sounds = this.sounded.take(alert.eventId, alert.origin, level === "full");
    return { alert, level, sounds, sArrivalUs };
  }

  /** The event that matters most now: the strongest that is not over. */
  current(nowUs: number): (Known & { state: DeviceState; secondsLeft: number }) | null {
    const living = [...this.known.values()]
      .map((one) => ({
        ...one,
        state: stateAt(one.sArrivalUs, nowUs),
        secondsLeft: (one.sArrivalUs - nowUs) / 1e6,
      }))
      .filter((one) => one.state !== "idle");
    const rank = (one: (typeof living)[number]) =>
      (one.state === "all-clear" ? -100 : 0) + one.alert.intensity;
    return living.sort((a, b) => rank(b) - rank(a))[0] ?? null;
  }

  private level(intensity: number): Level {
    if (intensity >= this.thresholds.full) return "full";
    return intensity >= this.thresholds.notice ? "notice" : "silent";
  }

  /** S at the device's own place; the cell's was that of its nearest point and so never late. */
  private ownArrivalUs(alert: Alert): number {
    const away = distanceKm(alert.origin, this.place);
    const travel = this.travelTimeS(away, alert.origin.depth_km ?? 10);
    if (travel === null) return alert.sArrivalUs;
    return Math.max(alert.sArrivalUs, alert.origin.time_us + Math.round(travel * 1e6));
  }
}

function stateAt(sArrivalUs: number, nowUs: number): DeviceState {
  const since = (nowUs - sArrivalUs) / 1e6;
  if (since < 0) return "countdown";
  if (since < SHAKING_S) return "shaking";
  return since < SHAKING_S + ALL_CLEAR_S ? "all-clear" : "idle";
}
