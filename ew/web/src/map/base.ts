// Land, borders, provinces and city names, from shapes that come with the page.

import { geoBounds, geoGraticule, geoPath } from "d3-geo";
import type { Feature, Geometry, LineString, MultiLineString } from "geojson";
import { feature, mesh } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import countriesUrl from "world-atlas/countries-50m.json?url";
import citiesUrl from "../../../../seeds/map/cities.json?url";
import namesUrl from "../../../../seeds/map/cities-zh.json?url";
import provincesUrl from "../../../../seeds/map/provinces.json?url";
import { wrapLongitude } from "../geo";
import { currentLanguage } from "../i18n";
import type { Place } from "../types";
import { mapFont, mapScale, pause, SLICE_MS, SlowLayer } from "./layer";
import { type TileSettings, Tiles } from "./tiles";
import type { MapView } from "./view";

export type City = Place & {
  name: string;
  /** The name in the reader's language, where it is known. */
  label: string;
  country: string;
  population: number;
};

const NO_NAMES: ReadonlyMap<string, string> = new Map();

type Shape = { geometry: Geometry; bounds: [[number, number], [number, number]] };

export class BaseMap {
  cities: City[] = [];
  /** The cities whose names stand on the map. */
  named: ReadonlySet<City> = new Set();
  private land: Shape[] = [];
  private borders: Geometry | null = null;
  private provinces: Shape[] = [];
  readonly layer: SlowLayer;
  /** The names lie above the cells. */
  readonly names: SlowLayer;
  readonly tiles: Tiles;

  constructor(private readonly view: MapView) {
    this.layer = new SlowLayer(view, (pen) => this.draw(pen), () => this.land.length > 0);
    this.tiles = new Tiles(view, () => this.layer.redraw());
    this.names = new SlowLayer(view, (pen) => this.drawNames(pen), () => this.cities.length > 0);
  }

  /** Loads the shapes; all are asked for at once, land is drawn first: there is soon something to see. */
  async load(settings: Promise<TileSettings | undefined>): Promise<void> {
    const isChinese = currentLanguage() === "zh";
    const rest = Promise.all([json(provincesUrl), json(citiesUrl), isChinese ? chineseNames() : NO_NAMES]);
    rest.catch(() => undefined); // told where it is awaited, below
    const countries = (await json(countriesUrl)) as Topology<{ countries: GeometryCollection }>;
    this.tiles.use(await settings);
    await pause();
    this.land = await inSlices(feature(countries, countries.objects.countries).features, bounded);
    this.borders = mesh(countries, countries.objects.countries, (a, b) => a !== b);
    this.layer.redraw();
    const [provinces, cities, labels] = await rest;
    await pause();
    this.provinces = await inSlices(splitLines(provinces as Topology), bounded);
    await pause();
    this.cities = (cities as { rows: [string, string, number, number, number][] }).rows.map(
      ([name, country, latitude, longitude, population]) => ({
        name,
        label: labels.get(`${latitude},${longitude}`) ?? name,
        country,
        latitude,
        longitude,
        population,
      }),
    );
    this.layer.redraw();
    this.names.redraw();
  }

  private *draw(pen: CanvasRenderingContext2D): Iterable<void> {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const path = geoPath(this.view.projection, pen);
    const stroke = (name: string, width: number) => {
      pen.strokeStyle = colour(name);
      pen.lineWidth = width;
      pen.stroke();
    };
    const { width, height } = this.view;
    const sea = pen.createRadialGradient(
      width / 2, height / 2, 0, width / 2, height / 2, Math.hypot(width, height) / 2,
    );
    sea.addColorStop(0, colour("--sea"));
    sea.addColorStop(1, colour("--sea-deep"));
    pen.fillStyle = sea;
    pen.fillRect(0, 0, width, height);
    pen.beginPath();
    path(geoGraticule().step(this.view.current.k > 15 ? [2, 2] : [10, 10])());
    stroke("--graticule", 0.5);
    yield;
    const window = this.visible();
    for (const shape of this.land) {
      if (!overlaps(shape.bounds, window)) continue;
      pen.beginPath();
      path(shape.geometry);
      pen.fillStyle = colour("--land");
      pen.fill();
      stroke("--coast", 0.8);
      yield;
    }
    yield* this.tiles.draw(pen);
    if (this.view.current.k > 4) {
      pen.setLineDash([3, 3]);
      for (const shape of this.provinces) {
        if (!overlaps(shape.bounds, window)) continue;
        pen.beginPath();
        path(shape.geometry);
        stroke("--province", 0.7);
        yield;
      }
      pen.setLineDash([]);
    }
    if (this.borders) {
      pen.beginPath();
      path(this.borders);
      stroke("--border", 1.1);
      yield;
    }
  }

  private *drawNames(pen: CanvasRenderingContext2D): Iterable<void> {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink").trim();
    const halo = style.getPropertyValue("--halo").trim();
    const scale = mapScale();
    pen.font = mapFont(12);
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    const taken: [number, number, number][] = [];
    const named = new Set<City>();
    const most = Math.round((this.view.width * this.view.height) / (28_000 * scale * scale));
    let looked = 0;
    for (const city of this.cities) {
      if (taken.length >= most) break;
      if (++looked % 200 === 0) yield;
      const spot = this.view.at(city);
      if (!spot) continue;
      const [x, y] = spot;
      if (x < 4 || y < 8 || x > this.view.width - 60 * scale || y > this.view.height - 8) continue;
      const width = pen.measureText(city.label).width + 12;
      const isFree = taken.every(
        ([tx, ty, tw]) => Math.abs(y - ty) > 30 * scale || x > tx + tw || tx > x + width,
      );
      if (!isFree) continue;
      taken.push([x, y, width]);
      named.add(city);
      pen.fillStyle = ink;
      pen.beginPath();
      pen.arc(x, y, 2 * scale, 0, 7);
      pen.fill();
      pen.lineWidth = 3 * scale;
      pen.strokeStyle = halo;
      pen.strokeText(city.label, x + 6 * scale, y);
      pen.fillText(city.label, x + 6 * scale, y);
    }
    this.named = named;
  }

  /** What is in view; all longitudes where the view is as wide as the Earth. */
  private visible(): Window {
    const { width, height } = this.view;
    const middle = this.view.placeAt(width / 2, height / 2)?.longitude ?? 0;
    const perPixel = 1 / (this.view.projection.scale() * (Math.PI / 180));
    return {
      south: this.view.placeAt(width / 2, height)?.latitude ?? -90,
      north: this.view.placeAt(width / 2, 0)?.latitude ?? 90,
      middle,
      halfWidth: Math.min(180, (width / 2) * perPixel),
    };
  }
}

type Window = { south: number; north: number; middle: number; halfWidth: number };

function overlaps(bounds: Shape["bounds"], window: Window): boolean {
  const [[west, south], [east, north]] = bounds;
  if (south > window.north || north < window.south) return false;
  // A shape that crosses the date line has its west east of its east
  const halfWidth = (((east - west) % 360) + 360) % 360 / 2 || (east === west ? 0 : 180);
  const apart = Math.abs(wrapLongitude(west + halfWidth - window.middle));
  return apart <= halfWidth + window.halfWidth;
}

function bounded(shape: Feature): Shape {
  return { geometry: shape.geometry, bounds: geoBounds(shape) };
}

/** The lines of a topology's only object in groups, so that those out of view cost nothing. */
function splitLines(topology: Topology): Feature[] {
  const object = Object.values(topology.objects)[0]!;
  const whole = feature(topology, object) as Feature | { features: Feature[] };
  const features = "features" in whole ? whole.features : [whole];
  const lines = features.flatMap(({ geometry }) =>
    geometry.type === "MultiLineString" ? geometry.coordinates : [],
  );
  const groups = new Map<number, LineString["coordinates"][]>();
  for (const line of lines) {
    const band = Math.floor((line[0]?.[1] ?? 0) / 2);
    groups.set(band, [...(groups.get(band) ?? []), line]);
  }
  return [...groups.values()].map((coordinates) => {
    const geometry: MultiLineString = { type: "MultiLineString", coordinates };
    return { type: "Feature", properties: {}, geometry };
  });
}

async function chineseNames(): Promise<Map<string, string>> {
  const { rows } = (await json(namesUrl)) as { rows: [string, number, number, string][] };
  return new Map(rows.map(([, latitude, longitude, name]) => [`${latitude},${longitude}`, name]));
}

/** Makes something of each item, some milliseconds at a time: no frame waits for all of them. */
async function inSlices<Item, Made>(items: Item[], make: (item: Item) => Made): Promise<Made[]> {
  const made: Made[] = [];
  let end = performance.now() + SLICE_MS;
  for (const item of items) {
    made.push(make(item));
    if (performance.now() < end) continue;
    await pause();
    end = performance.now() + SLICE_MS;
  }
  return made;
}

async function json(url: string): Promise<unknown> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}
