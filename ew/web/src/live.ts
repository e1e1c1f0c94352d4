// The service's live stream, and what the API knows when the page is opened.

import type { TileSettings } from "./map/tiles";
import type { Channel, EventVersion, Health, LiveMessage, Profile } from "./types";

const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 8000;
/** A stream without a heartbeat for this long is given up and opened anew, ms. */
const SILENT_MS = 10_000;

export type Connection = "connecting" | "open" | "lost";

/** Opens the live stream and keeps it open; each message goes to `take`. */
export function listen(
  take: (message: LiveMessage) => void,
  changed: (state: Connection) => void,
): void {
  let retry = RETRY_FIRST_MS;
  const open = () => {
    const url = new URL("api/v1/live", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    let silent: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(silent);
      silent = setTimeout(() => socket.close(), SILENT_MS);
    };
    heard();
    socket.onopen = () => changed("open");
    socket.onmessage = (message) => {
      heard();
      retry = RETRY_FIRST_MS;
      take(JSON.parse(String(message.data)) as LiveMessage);
    };
    socket.onclose = () => {
      clearTimeout(silent);
      changed("lost");
      setTimeout(open, retry);
      retry = Math.min(2 * retry, RETRY_MOST_MS);
    };
  };
  changed("connecting");
  open();
}

async function get<T>(path: string): Promise<T | undefined> {
  try {
    const answer = await fetch(`api/v1/${path}`);
    // Health answers 503 when something is wrong, with the same body
    return answer.ok || answer.status === 503 ? ((await answer.json()) as T) : undefined;
  } catch {
    return undefined;
  }
}

export async function stations(): Promise<Channel[]> {
  const found = await get<Channel[] | { stations: Channel[] }>("stations");
  return Array.isArray(found) ? found : (found?.stations ?? []);
}

export async function events(): Promise<EventVersion[]> {
  const found = await get<EventVersion[] | { events: EventVersion[] }>("events");
  return Array.isArray(found) ? found : (found?.events ?? []);
}

export async function versions(eventId: string): Promise<EventVersion[]> {
  type Answer = EventVersion[] | { versions: EventVersion[] };
  const found = await get<Answer>(`events/${encodeURIComponent(eventId)}`);
  return Array.isArray(found) ? found : (found?.versions ?? []);
}

const profiles = new Map<string, Promise<Profile | undefined>>();

/** Arrivals and intensity against distance for an event version, asked for once for each size. */
export async function profileOf(version: EventVersion): Promise<Profile | undefined> {
  const { magnitude, depth_km: depth } = version.origin;
  if (magnitude === null) return undefined;
  const path = `profile?magnitude=${magnitude}&depth_km=${depth ?? 10}`;
  const known = profiles.get(path) ?? get<Profile>(path);
  profiles.set(path, known);
  const found = await known;
  if (!found) profiles.delete(path);
  return found;
}

export function pageSettings(): Promise<TileSettings | undefined> {
  return get<TileSettings>("page-settings");
}

export function health(): Promise<Health | undefined> {
  return get<Health>("health");
}
