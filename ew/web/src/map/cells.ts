// The H3 cells that an event alerts, coloured by the seconds they have left or by intensity.

import { cellToBoundary, cellToLatLng, gridDisk, latLngToCell } from "h3-js";
import { INTENSITY_COLOURS, SECONDS_COLOURS, stepColour } from "../colours";
import { estimate } from "../geo";
import type { EventVersion } from "../types";
import { SlowLayer } from "./layer";
import type { MapView } from "./view";

/** Alerts go out by cells of this resolution (some 250 km2). */
export const RESOLUTION = 5;
/** Distance between the centres of neighbouring cells of resolution 5 at its least, km. */
const LEAST_SPACING_KM = 14;
const MOST_RINGS = 42;
/** The outlines' corners are computed so many cells at a time. */
const CHUNK = 150;

export type CellColours = "seconds" | "intensity";

type Cell = { outline: [number, number][]; sArrivalUs: number; intensity: number };

export class CellLayer {
  readonly layer: SlowLayer;
  colours: CellColours = "seconds";
  private cells: Cell[] = [];
  private shownKey = "";
  private job = 0;
  private nowUs = 0;

  constructor(private readonly view: MapView) {
    this.layer = new SlowLayer(view, (pen) => this.draw(pen));
  }

  get count(): number {
    return this.cells.length;
  }

  /** Shows an event version's cells as they are at a moment; `undefined` clears the layer. */
  show(version: EventVersion | undefined, nowUs: number): void {
    this.nowUs = nowUs;
    const key = version ? `${version.event_id} ${version.version} ${!!version.profile}` : "";
    if (key === this.shownKey) {
      if (this.cells.length > 0) this.layer.redraw();
      return;
    }
    this.shownKey = key;
    void this.compute(version);
  }

  private async compute(version: EventVersion | undefined): Promise<void> {
    const job = ++this.job;
    const cells: Cell[] = [];
    const profile = version?.profile;
    if (version && profile && profile.alert_km > 0) {
      const { origin } = version;
      const rings = Math.min(MOST_RINGS, Math.ceil(profile.alert_km / LEAST_SPACING_KM));
      const names = gridDisk(latLngToCell(origin.latitude, origin.longitude, RESOLUTION), rings);
      for (const [index, name] of names.entries()) {
        if (index % CHUNK === CHUNK - 1) {
          await new Promise(requestAnimationFrame);
          if (job !== this.job) return;
        }
        const [latitude, longitude] = cellToLatLng(name);
        const found = estimate(origin, profile, { latitude, longitude });
        if (found.distanceKm > profile.alert_km) continue;
        cells.push({
          outline: cellToBoundary(name, true) as [number, number][],
          sArrivalUs: found.sArrivalUs,
          intensity: found.intensity,
        });
      }
    }
    this.cells = cells;
    this.layer.redraw();
  }

  private *draw(pen: CanvasRenderingContext2D): Iterable<void> {
    const groups = new Map<string, Cell[]>();
    for (const cell of this.cells) {
      const colour =
        this.colours === "seconds"
          ? stepColour(Math.max(0, (cell.sArrivalUs - this.nowUs) / 1e6), SECONDS_COLOURS)
          : stepColour(cell.intensity, INTENSITY_COLOURS);
      const group = groups.get(colour);
      if (group) group.push(cell);
      else groups.set(colour, [cell]);
    }
    const projection = this.view.projection;
    pen.globalAlpha = 0.5;
    for (const [colour, cells] of groups) {
      pen.fillStyle = colour;
      for (let from = 0; from < cells.length; from += CHUNK) {
        pen.beginPath();
        for (const cell of cells.slice(from, from + CHUNK)) {
          cell.outline.forEach((corner, index) => {
            const spot = projection(corner);
            if (!spot) return;
            if (index === 0) pen.moveTo(spot[0], spot[1]);
            else pen.lineTo(spot[0], spot[1]);
          });
          pen.closePath();
        }
        pen.fill();
        yield;
      }
    }
    pen.globalAlpha = 1;
  }
}
