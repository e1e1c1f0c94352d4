// What moves: stations, wavefronts, epicentres and the watcher's place. Drawn anew every frame.

import { geoCircle, geoPath } from "d3-geo";
import { INTENSITY_COLOURS, stepColour } from "../colours";
import { blindZoneKm } from "../events";
import { EARTH_RADIUS_KM, reachKm } from "../geo";
import type { Channel, EventVersion, Health, Place, StationState } from "../types";
import { Layer } from "./layer";
import type { MapView } from "./view";

const KM_TO_DEG = 180 / (Math.PI * EARTH_RADIUS_KM);
/** A station that picked is marked for this long, s. */
const PICK_SHOWN_S = 20;
/** Motion older than this is no longer shown, s. */
const MOTION_SHOWN_S = 10;

/** A pointer this near to a station means it, pixels. */
const NEAR_PX = 12;

type Spot = [number, number];

export type Station = Place & {
  code: string;
  state: StationState;
  intensity: number;
  movedUs: number;
  pickedUs: number;
};

export type Scene = {
  nowUs: number;
  stations: Iterable<Station>;
  /** Each event under way with all versions issued so far, oldest first. */
  events: readonly (readonly EventVersion[])[];
  place: Place | null;
};

/** Stations by `NET.STA`, from the channels of the inventory. */
export function stationsOf(channels: readonly Channel[]): Map<string, Station> {
  const stations = new Map<string, Station>();
  for (const channel of channels) {
    const code = stationCode(channel.seed_id);
    const known = stations.get(code);
    const state = channel.state ?? "live";
    if (known && known.state === "live") continue;
    stations.set(code, {
      code,
      latitude: channel.latitude,
      longitude: channel.longitude,
      state,
      intensity: known?.intensity ?? Number.NaN,
      movedUs: known?.movedUs ?? 0,
      pickedUs: known?.pickedUs ?? 0,
    });
  }
  return stations;
}

/** Takes over each station's state as the service judges it; a clock or gain in doubt is `suspect`. */
export function takeStates(stations: Map<string, Station>, status: Health): void {
  for (const [code, state] of Object.entries(status.stations?.states ?? {})) {
    const station = stations.get(code);
    if (station) station.state = state;
  }
  for (const suspects of [status.suspect_stations, status.suspect_gains]) {
    for (const code of Object.keys(suspects ?? {})) {
      const station = stations.get(code);
      if (station?.state === "live") station.state = "suspect";
    }
  }
}

export function stationCode(seedId: string): string {
  return seedId.split(".").slice(0, 2).join(".");
}

export class LiveLayer extends Layer {
  /** How many stations the scene drawn last had. */
  stations = 0;
  /** Where the stations in view were drawn. */
  private seen: [Spot, Station][] = [];
  private colours = new Map<string, string>();

  constructor(view: MapView) {
    super(view);
    this.readTheme();
  }

  /** Reads the theme's colours; to be called again when the theme changes. */
  readTheme(): void {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["--p-wave", "--s-wave", "--epicentre", "--place", "--ink", "--panel"]) {
      this.colours.set(name, style.getPropertyValue(name).trim());
    }
    for (const state of ["live", "late", "silent", "suspect", "picked", "unknown"]) {
      this.colours.set(state, style.getPropertyValue(`--station-${state}`).trim());
    }
  }

  draw(scene: Scene): void {
    this.resize();
    this.clear();
    this.drawStations(scene);
    for (const versions of scene.events) this.drawEvent(versions, scene.nowUs);
    if (scene.place) this.drawPlace(scene.place);
  }

  private colour(name: string): string {
    return this.colours.get(name) ?? "#888";
  }

  private drawStations(scene: Scene): void {
    const { pen } = this;
    const size = this.view.current.k > 30 ? 3 : 2;
    const groups = new Map<string, Spot[]>();
    const picked: [Spot, string][] = [];
    this.seen = [];
    this.stations = 0;
    for (const station of scene.stations) {
      this.stations += 1;
      const spot = this.view.at(station);
      if (!spot || !this.isInView(spot)) continue;
      this.seen.push([spot, station]);
      const isMoving = scene.nowUs - station.movedUs < MOTION_SHOWN_S * 1e6;
      const isFelt = isMoving && station.intensity >= 1;
      const colour = isFelt
        ? stepColour(station.intensity, INTENSITY_COLOURS)
        : this.colour(COLOUR_OF_STATE[station.state]);
      const sincePick = (scene.nowUs - station.pickedUs) / 1e6;
      if (sincePick >= 0 && sincePick < PICK_SHOWN_S) {
        picked.push([spot, isFelt ? colour : this.colour("picked")]);
        continue;
      }
      const key = `${MARK_OF_STATE[station.state]} ${colour}`;
      const group = groups.get(key);
      if (group) group.push(spot);
      else groups.set(key, [spot]);
    }
    // One path for all stations of a mark and colour: thousands cost little
    for (const [key, spots] of groups) {
      const [mark, colour] = [key.slice(0, key.indexOf(" ")), key.slice(key.indexOf(" ") + 1)];
      pen.beginPath();
      for (const [x, y] of spots) MARKS[mark as Mark](pen, x, y, size);
      if (mark === "dot") {
        pen.fillStyle = colour;
        pen.fill();
      } else {
        pen.strokeStyle = colour;
        pen.lineWidth = 1.5;
        pen.stroke();
      }
    }
    pen.lineWidth = 1.5;
    pen.strokeStyle = this.colour("--ink");
    for (const [[x, y], colour] of picked) {
      pen.fillStyle = colour;
      pen.beginPath();
      pen.moveTo(x, y - 7);
      pen.lineTo(x + 6, y + 4);
      pen.lineTo(x - 6, y + 4);
      pen.closePath();
      pen.fill();
      pen.stroke();
    }
  }

  /** The station drawn nearest to a point of the screen, if one is near. */
  stationAt(x: number, y: number): Station | undefined {
    let nearest: Station | undefined;
    let least = NEAR_PX;
    for (const [[sx, sy], station] of this.seen) {
      const away = Math.hypot(sx - x, sy - y);
      if (away < least) [least, nearest] = [away, station];
    }
    return nearest;
  }

  private drawEvent(versions: readonly EventVersion[], nowUs: number): void {
    const newest = versions.at(-1);
    if (!newest) return;
    const { pen } = this;
    const { origin, profile } = newest;
    const elapsed = (nowUs - origin.time_us) / 1e6;
    if (profile) {
      const blind = blindZoneKm(versions[0]!);
      if (blind > 0) {
        this.circle(versions[0]!.origin, blind);
        pen.setLineDash([2, 4]);
        pen.strokeStyle = this.colour("--ink");
        pen.lineWidth = 1;
        pen.stroke();
        pen.setLineDash([]);
      }
      this.front(origin, reachKm(profile, "p_s", elapsed), "--p-wave", 1.5);
      this.front(origin, reachKm(profile, "s_s", elapsed), "--s-wave", 3);
    }
    const error = newest.uncertainty?.horizontal_km;
    if (error) {
      this.circle(origin, error);
      pen.fillStyle = this.colour("--epicentre");
      pen.globalAlpha = 0.15;
      pen.fill();
      pen.globalAlpha = 1;
    }
    // How the epicentre moved from version to version
    pen.beginPath();
    for (const [index, version] of versions.entries()) {
      const spot = this.view.at(version.origin);
      if (!spot) continue;
      if (index === 0) pen.moveTo(...spot);
      else pen.lineTo(...spot);
    }
    pen.strokeStyle = this.colour("--epicentre");
    pen.lineWidth = 1;
    pen.stroke();
    const spot = this.view.at(origin);
    if (!spot) return;
    const size = 6 + 2 * Math.max(0, (origin.magnitude ?? 4) - 3);
    star(pen, spot[0], spot[1], size);
    pen.fillStyle = this.colour("--epicentre");
    pen.fill();
    pen.strokeStyle = this.colour("--panel");
    pen.lineWidth = 1.5;
    pen.stroke();
  }

  private front(origin: Place, radiusKm: number, name: string, width: number): void {
    if (radiusKm <= 0) return;
    this.circle(origin, radiusKm);
    this.pen.strokeStyle = this.colour(name);
    this.pen.lineWidth = width;
    this.pen.stroke();
  }

  private circle(centre: Place, radiusKm: number): void {
    const circle = geoCircle()
      .center([centre.longitude, centre.latitude])
      .radius(Math.min(179, radiusKm * KM_TO_DEG))
      .precision(4)();
    this.pen.beginPath();
    geoPath(this.view.projection, this.pen)({ type: "LineString", coordinates: circle.coordinates[0]! });
  }

  private drawPlace(place: Place): void {
    const spot = this.view.at(place);
    if (!spot) return;
    const { pen } = this;
    pen.strokeStyle = this.colour("--place");
    pen.lineWidth = 2.5;
    pen.beginPath();
    pen.arc(spot[0], spot[1], 8, 0, 7);
    pen.moveTo(spot[0] - 12, spot[1]);
    pen.lineTo(spot[0] + 12, spot[1]);
    pen.moveTo(spot[0], spot[1] - 12);
    pen.lineTo(spot[0], spot[1] + 12);
    pen.stroke();
  }

  private isInView([x, y]: [number, number]): boolean {
    return x > -9 && y > -9 && x < this.view.width + 9 && y < this.view.height + 9;
  }
}

export const COLOUR_OF_STATE: Record<StationState, StationColour> = {
  live: "live",
  picked: "picked",
  late: "late",
  backlog: "late",
  silent: "silent",
  refused: "silent",
  suspect: "suspect",
  future: "suspect",
  unknown: "unknown",
};
type StationColour = "live" | "late" | "silent" | "suspect" | "picked" | "unknown";

/** States differ by form as well as by colour. */
type Mark = "dot" | "ring" | "cross" | "diamond";
const MARK_OF_STATE: Record<StationState, Mark> = {
  live: "dot",
  picked: "dot",
  late: "ring",
  backlog: "ring",
  silent: "cross",
  refused: "cross",
  suspect: "diamond",
  future: "diamond",
  unknown: "dot",
};
const MARKS: Record<Mark, (pen: CanvasRenderingContext2D, x: number, y: number, r: number) => void> = {
  dot: (pen, x, y, r) => {
    pen.moveTo(x + r, y);
    pen.arc(x, y, r, 0, 7);
  },
  ring: (pen, x, y, r) => {
    pen.moveTo(x + r, y);
    pen.arc(x, y, r, 0, 7);
  },
  cross: (pen, x, y, r) => {
    pen.moveTo(x - r, y - r);
    pen.lineTo(x + r, y + r);
    pen.moveTo(x - r, y + r);
    pen.lineTo(x + r, y - r);
  },
  diamond: (pen, x, y, r) => {
    pen.moveTo(x, y - r - 1);
    pen.lineTo(x + r + 1, y);
    pen.lineTo(x, y + r + 1);
    pen.lineTo(x - r - 1, y);
    pen.closePath();
  },
};

function star(pen: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  pen.beginPath();
  for (let point = 0; point < 10; point++) {
    const radius = point % 2 === 0 ? size : size * 0.42;
    const angle = (point * Math.PI) / 5 - Math.PI / 2;
    pen.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  pen.closePath();
}
