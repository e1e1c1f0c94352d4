// What the service says: the bodies of the API and of the live stream. Times are integer
// microseconds since the Unix epoch unless the name says otherwise.

export type Status = "actual" | "exercise" | "test";
export type Place = { latitude: number; longitude: number };
export type NamedPlace = Place & { name: string };

export type Origin = Place & {
  time_us: number;
  depth_km: number | null;
  magnitude: number | null;
};

/** P arrival, S arrival (s after the origin) and intensity against epicentral distance. */
export type Profile = {
  scale: "CSIS" | "MMI";
  distance_km: number[];
  p_s: number[];
  s_s: number[];
  intensity: number[];
  /** Farthest distance at which a phone is alerted, km. */
  alert_km: number;
};

export type EventVersion = {
  event_id: string;
  version: number;
  kind: "alert" | "update" | "cancel";
  status: Status;
  source: string;
  issued_us: number;
  expires_us: number;
  origin: Origin;
  uncertainty?: {
    time_s: number | null;
    horizontal_km: number | null;
    magnitude: number | null;
  };
  stations: number;
  profile?: Profile;
  latency?: Latency | null;
};

export type Latency = {
  p_first_us?: number | null;
  p_fourth_us?: number | null;
  issued_us?: number | null;
  first_publish_us?: number | null;
  last_publish_us?: number | null;
  alerts?: number | null;
  receipts?: number | null;
  received_p50_ms?: number | null;
  received_p99_ms?: number | null;
  [stage: string]: unknown;
};

export type StationState =
  | "live"
  | "late"
  | "silent"
  | "suspect"
  | "picked"
  | "backlog"
  | "future"
  | "unknown"
  | "refused";

export type Channel = Place & {
  seed_id: string;
  elevation_m?: number;
  state?: StationState;
};

/** The parts of `health` that the page shows; more members may follow. */
export type Health = {
  health: string;
  mode: Status;
  version?: string;
  reasons?: string[];
  /** Each station's state by NET.STA. */
  stations?: { states?: Record<string, StationState> };
  suspect_stations?: Record<string, unknown>;
  suspect_gains?: Record<string, unknown>;
  [part: string]: unknown;
};

export type DeviceCounts = Record<string, { alerted: number; expected: number }>;

export type LiveMessage =
  | ({ type: "event" } & EventVersion)
  | ({ type: "heartbeat"; time_us: number; health: string; mode: Status } & Record<string, unknown>)
  | { type: "pick"; seed_id: string; time: string; snr: number }
  | { type: "motion"; time_us: number; stations: Record<string, number> }
  | { type: "waveform"; seed_id: string; start_us: number; rate: number; samples: number[] }
  | { type: "devices"; kinds: DeviceCounts }
  | ({ type: "latency"; event_id: string; version: number } & Latency)
  | ({ type: "status" } & Health);
