// What moves: stations, wavefronts, epicentres and the watcher's place. Drawn anew every frame.

import { geoCircle, geoPath } from "d3-geo";
import { INTENSITY_COLOURS, stepColour } from "../colours";
import { blindZoneKm } from "../events";
import { distanceKm, EARTH_RADIUS_KM, estimate, reachKm } from "../geo";
import type { CityRow } from "../tables";
import type { Channel, EventVersion, Health, Place, StationState } from "../types";
import { Layer, mapFont, mapScale } from "./layer";
import { COLOUR_OF_STATE, type Mark, MARK_OF_STATE, MARKS, star } from "./marks";
import type { MapView } from "./view";

const KM_TO_DEG = 180 / (Math.PI * EARTH_RADIUS_KM);
/** A station that picked is marked for this long, s. */
const PICK_SHOWN_S = 12;
/** Motion older than this is no longer shown, s. */
const MOTION_SHOWN_S = 10;
/** A front's glow: so much wider than its line (pixels), so opaque. */
const GLOW = [
  [9, 0.12],
  [4, 0.22],
  [0, 1],
] as const;

/** On a narrower map a scale bar would lie under the tools. */
const LEAST_SCALED_PX = 480;
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
  /** The cities in the table, for their seconds on the map. */
  cities: readonly CityRow[];
  /** The cities whose names stand on the map. */
  named: ReadonlySet<CityRow["city"]>;
  /** Reduced motion: nothing beats. */
  isStill: boolean;
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
  private font = "";
  private scale = 1;

  constructor(view: MapView) {
    super(view);
    this.readTheme();
  }

  /** Reads the theme's colours; to be called again when the theme changes. */
  readTheme(): void {
    const style = getComputedStyle(document.documentElement);
    this.font = mapFont(12, "600");
    this.scale = mapScale();
    for (const name of ["--p-wave", "--s-wave", "--epicentre", "--place", "--ink", "--panel", "--warn", "--halo"]) {
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
    for (const versions of scene.events) this.drawEvent(versions, scene);
    this.drawSeconds(scene);
    if (scene.place) this.drawPlace(scene.place);
    this.drawScale();
  }

  private colour(name: string): string {
    return this.colours.get(name) ?? "#888";
  }

  private drawStations(scene: Scene): void {
    const { pen } = this;
    const size = (this.view.current.k > 30 ? 3 : 2) * this.scale;
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
        pen.lineWidth = 1.5 * this.scale;
        pen.stroke();
      }
    }
    pen.lineWidth = 1.5;
    pen.strokeStyle = this.colour("--ink");
    const side = (this.view.current.k > 100 ? 6 : 4) * this.scale;
    for (const [[x, y], colour] of picked) {
      pen.fillStyle = colour;
      pen.beginPath();
      pen.moveTo(x, y - 1.2 * side);
      pen.lineTo(x + side, y + 0.7 * side);
      pen.lineTo(x - side, y + 0.7 * side);
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

  private drawEvent(versions: readonly EventVersion[], { nowUs, isStill }: Scene): void {
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
      this.front(origin, reachKm(profile, "p_s", elapsed), "--p-wave", 1.5, 0.05);
      this.front(origin, reachKm(profile, "s_s", elapsed), "--s-wave", 3, 0.1);
    }
    const error = newest.uncertainty?.horizontal_km;
    if (error) {
      this.circle(origin, error);
      pen.fillStyle = this.colour("--epicentre");
      pen.globalAlpha = 0.15;
      pen.fill();
      pen.globalAlpha = 1;
    }
    this.drawWay(versions);
    const spot = this.view.at(origin);
    if (!spot) return;
    const size = (7 + 2.5 * Math.max(0, (origin.magnitude ?? 4) - 3)) * this.scale;
    if (!isStill) this.drawBeat(spot, size, elapsed);
    star(pen, spot[0], spot[1], size);
    pen.fillStyle = this.colour("--epicentre");
    pen.fill();
    pen.strokeStyle = this.colour("--panel");
    pen.lineWidth = 1.5;
    pen.stroke();
    if (origin.magnitude === null) return;
    this.write(`M ${origin.magnitude.toFixed(1)}`, spot[0], spot[1] + size + 12 * this.scale, "--epicentre", "center");
  }

  /** How the epicentre moved from version to version. */
  private drawWay(versions: readonly EventVersion[]): void {
    const { pen } = this;
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
  }

  /** A ring that leaves the epicentre once a second: this one is under way. */
  private drawBeat([x, y]: Spot, size: number, elapsed: number): void {
    const { pen } = this;
    const part = ((elapsed % 1) + 1) % 1;
    pen.beginPath();
    pen.arc(x, y, size * (1 + 1.6 * part), 0, 7);
    pen.globalAlpha = 0.8 * (1 - part);
    pen.strokeStyle = this.colour("--epicentre");
    pen.lineWidth = 2;
    pen.stroke();
    pen.globalAlpha = 1;
  }

  /** A wavefront: a glow around its line, and a breath of its colour over what it has reached. */
  private front(origin: Place, radiusKm: number, name: string, width: number, fill: number): void {
    if (radiusKm <= 0) return;
    const { pen } = this;
    this.circle(origin, radiusKm);
    pen.fillStyle = pen.strokeStyle = this.colour(name);
    pen.globalAlpha = fill;
    pen.fill();
    for (const [extra, alpha] of GLOW) {
      pen.globalAlpha = alpha;
      pen.lineWidth = (width + extra) * this.scale;
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  /** The seconds that the cities of the table have left, below their names. */
  private drawSeconds(scene: Scene): void {
    const event = scene.events[0]?.at(-1);
    if (!event?.profile) return;
    for (const { city } of scene.cities) {
      const spot = this.view.at(city);
      if (!spot || !scene.named.has(city)) continue;
      const left = (estimate(event.origin, event.profile, city).sArrivalUs - scene.nowUs) / 1e6;
      if (left <= 0) continue;
      const colour = left < 10 ? "--s-wave" : "--warn";
      this.write(`${Math.ceil(left)} s`, spot[0] + 6 * this.scale, spot[1] + 15 * this.scale, colour, "left");
    }
  }

  private write(words: string, x: number, y: number, colour: string, align: CanvasTextAlign): void {
    const { pen } = this;
    pen.font = this.font;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    pen.lineWidth = 3 * this.scale;
    pen.strokeStyle = this.colour("--halo");
    pen.strokeText(words, x, y);
    pen.fillStyle = this.colour(colour);
    pen.fillText(words, x, y);
  }

  /** A bar of a round number of kilometres in the lower right corner. */
  private drawScale(): void {
    const { pen, view } = this;
    if (view.width < LEAST_SCALED_PX) return;
    const reach = 100 * this.scale;
    const [x, y] = [view.width - 16, 24 * this.scale];
    const [a, b] = [view.placeAt(x, y), view.placeAt(x - reach, y)];
    if (!a || !b) return;
    const most = distanceKm(a, b);
    const power = 10 ** Math.floor(Math.log10(most));
    const km = [5, 2, 1].map((step) => step * power).find((one) => one <= most) ?? power;
    const length = (reach * km) / most;
    pen.beginPath();
    pen.moveTo(x - length, y - 5);
    pen.lineTo(x - length, y);
    pen.lineTo(x, y);
    pen.lineTo(x, y - 5);
    pen.strokeStyle = this.colour("--ink");
    pen.lineWidth = 1.5;
    pen.stroke();
    this.write(`${km} km`, x - length / 2, y - 9 * this.scale, "--ink", "center");
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
    const [x, y] = spot;
    const [r, arm] = [8 * this.scale, 12 * this.scale];
    pen.lineWidth = 2.5 * this.scale;
    pen.arc(x, y, r, 0, 7);
    pen.moveTo(x - arm, y);
    pen.lineTo(x + arm, y);
    pen.moveTo(x, y - arm);
    pen.lineTo(x, y + arm);
    pen.stroke();
  }

  private isInView([x, y]: [number, number]): boolean {
    return x > -9 && y > -9 && x < this.view.width + 9 && y < this.view.height + 9;
  }
}
