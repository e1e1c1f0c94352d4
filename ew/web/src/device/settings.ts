// What a device page is made with: the pinned roots, where the broker is, travel times. The service
// that serves the page gives them once; they are kept, so that the page goes on when it is gone.

import { interpolate } from "../geo";
import type { TravelTime } from "./machine";

export type DeviceSettings = {
  /** Public root keys, PEM. */
  roots: string[];
  /** WebSocket address of the broker, or a path on this page's own server. */
  mqtt_url: string;
  travel_times: { depth_km: number[]; distance_km: number[]; s_s: number[][] };
};

const KEPT = "ew.device.settings";

/** The settings from the server, else those kept from the last time. */
export async function loadSettings(): Promise<DeviceSettings | null> {
  try {
    const answer = await fetch("api/v1/device-settings");
    if (answer.ok) {
      const settings = (await answer.json()) as DeviceSettings;
      // The roots of the first visit stay: a server that is taken over later cannot change them
      const before = keptSettings();
      if (before) settings.roots = before.roots;
      localStorage.setItem(KEPT, JSON.stringify(settings));
      return settings;
    }
  } catch {
    // The page's server is gone: what was kept serves
  }
  return keptSettings();
}

function keptSettings(): DeviceSettings | null {
  const kept = localStorage.getItem(KEPT);
  return kept === null ? null : (JSON.parse(kept) as DeviceSettings);
}

/** S travel time, linear in depth and distance; `null` outside the table. */
export function travelTimes(table: DeviceSettings["travel_times"]): TravelTime {
  const { depth_km: depths, distance_km: distances, s_s: rows } = table;
  return (distance, depth) => {
    if (distance > (distances.at(-1) ?? -1)) return null;
    const column = rows.map((row) => interpolate(distance, distances, row));
    return interpolate(depth, depths, column);
  };
}
