// The H3 cells that an event alerts, coloured by the seconds they have left or by intensity.

import { cellToBoundary, cellToLatLng, gridDisk, latLngToCell } from "h3-js";
import { INTENSITY_COLOURS, SECONDS_COLOURS, stepColour } from "../colours";
import { estimate } from "../geo";
import type { EventVersion } from "../types";
import { pause, SLICE_MS, SlowLayer } from "./layer";
import type { MapView } from "./view";

/** Alerts go out by cells of this resolution (some 250 km2). */
export const RESOLUTION = 5;
/** Distance between the centres of neighbouring cells of resolution 5 at its least, km. */
const LEAST_SPACING_KM = 14;
const MOST_RINGS = 42;
/** So many cells are filled at a time. */
const CHUNK = 150;

/** What is long to come or weak is faint, so that the map stays to be seen. */
const FAINT: Record<string, number> = {
  [SECONDS_COLOURS[6]![1]]: 0.16,
  [SECONDS_COLOURS[5]![1]]: 0.3,
  [INTENSITY_COLOURS[0]![1]]: 0.15,
  [INTENSITY_COLOURS[1]![1]]: 0.25,
};

export type CellColours = "seconds" | "intensity";

type Cell = { outline: [number, number][]; sArrivalUs: number; intensity: number };

export class CellLayer {
  readonly layer: SlowLayer;
  colours: CellColours = "seconds";
  private cells: Cell[] = [];
  private shownKey = "";
  private isComputing = false;
  /** What is to be shown after the cells that are being computed. */
  private next: EventVersion | null | undefined;
  private nowUs = 0;

  constructor(private readonly view: MapView) {
    this.layer = new SlowLayer(view, (pen) => this.draw(pen), () => this.cells.length > 0);
  }

  /** Whether nothing is left to compute or draw. */
  get isWhole(): boolean {
    return !this.isComputing && this.layer.isWhole;
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
    if (this.isComputing) this.next = version ?? null;
    else void this.computeAll(version);
  }

  /**
   * Computes the cells of a version to their end, then those of the newest version that came meanwhile:
   * versions come twice a second, and on a slow machine none would ever be finished otherwise.
   */
  private async computeAll(version: EventVersion | undefined): Promise<void> {
    this.isComputing = true;
    try {
      let wanted: EventVersion | null | undefined = version ?? null;
      while (wanted !== undefined) {
        this.next = undefined;
        this.cells = await this.compute(wanted ?? undefined);
        this.layer.redraw();
        wanted = this.next;
      }
    } finally {
      this.isComputing = false;
    }
  }

  private async compute(version: EventVersion | undefined): Promise<Cell[]> {
    const cells: Cell[] = [];
    let end = performance.now() + SLICE_MS;
    const profile = version?.profile;
    if (version && profile && profile.alert_km > 0) {
      const { origin } = version;
      const rings = Math.min(MOST_RINGS, Math.ceil(profile.alert_km / LEAST_SPACING_KM));
      const names = gridDisk(latLngToCell(origin.latitude, origin.longitude, RESOLUTION), rings);
      for (const name of names) {
        if (performance.now() > end) {
          await pause();
          end = performance.now() + SLICE_MS;
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
    return cells;
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
    for (const [colour, cells] of groups) {
      pen.globalAlpha = FAINT[colour] ?? 0.5;
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
