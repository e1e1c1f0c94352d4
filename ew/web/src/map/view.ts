// The map's view: a Mercator projection turned so that the region's middle lies in the centre. The
// seam of the map is then on the other side of the Earth, and the date line is a place like any other.

import { type GeoProjection, geoMercator } from "d3-geo";
import { select } from "d3-selection";
import { type ZoomTransform, zoom, zoomIdentity } from "d3-zoom";
import { centreOf, EARTH_RADIUS_KM } from "../geo";
import type { Place } from "../types";

const LEAST_ZOOM = 0.6;
const MOST_ZOOM = 4000;
const EDGE_PX = 60;
/** Half the width of the first view where only one place is known, km. */
const LEAST_HALF_WIDTH_KM = 150;

export class MapView {
  width = 1;
  height = 1;
  readonly projection: GeoProjection = geoMercator();
  /** When a hand last moved the map, ms of the page. */
  movedMs = -Infinity;
  private transform: ZoomTransform = zoomIdentity;
  private readonly behaviour = zoom<HTMLElement, unknown>().scaleExtent([LEAST_ZOOM, MOST_ZOOM]);

  constructor(
    private readonly element: HTMLElement,
    private readonly onMove: () => void,
  ) {
    this.behaviour.on("zoom", (event: { transform: ZoomTransform; sourceEvent: Event | null }) => {
      // Only a hand's movement comes with an event of its own
      if (event.sourceEvent) this.movedMs = performance.now();
      this.transform = event.transform;
      this.apply();
      this.onMove();
    });
    select(element).call(this.behaviour).on("dblclick.zoom", null);
    this.resize();
  }

  resize(): void {
    this.width = Math.max(1, this.element.clientWidth);
    this.height = Math.max(1, this.element.clientHeight);
    this.apply();
  }

  /** Screen position of a place; `null` on the far side of the projection. */
  at(place: Place): [number, number] | null {
    return this.projection([place.longitude, place.latitude]);
  }

  /** The place at a screen position. */
  placeAt(x: number, y: number): Place | null {
    const found = this.projection.invert?.([x, y]);
    return found ? { longitude: found[0], latitude: found[1] } : null;
  }

  /** Current zoom and shift, to move pictures that were drawn for another view. */
  get current(): ZoomTransform {
    return this.transform;
  }

  /** Shows all of `places`, their middle in the centre. */
  fit(places: readonly Place[]): void {
    if (places.length === 0) return;
    const centre = centreOf(places);
    this.projection.rotate([-centre.longitude, 0]);
    const unit = geoMercator().rotate([-centre.longitude, 0]).scale(1).translate([0, 0]);
    const spots = places
      .map(({ longitude, latitude }) => unit([longitude, latitude]))
      .filter((spot): spot is [number, number] => spot !== null);
    const least = LEAST_HALF_WIDTH_KM / EARTH_RADIUS_KM;
    const xs = spots.map(([x]) => x);
    const ys = spots.map(([, y]) => y);
    const [west, east] = [Math.min(...xs), Math.max(...xs)];
    const [north, south] = [Math.min(...ys), Math.max(...ys)];
    // Tools and legend lie over the upper and the lower edge
    const free = Math.max(this.height - 2 * EDGE_PX, this.height / 2);
    const scale = Math.min(
      this.width / Math.max((east - west) * 1.15, 2 * least),
      free / Math.max((south - north) * 1.05, 2 * least),
    );
    const k = scale / this.baseScale;
    const to = zoomIdentity
      .translate(
        this.width / 2 - (scale * (west + east)) / 2,
        this.height / 2 - (scale * (north + south)) / 2,
      )
      .scale(k);
    select(this.element).call(this.behaviour.transform, to);
  }

  pan(dx: number, dy: number): void {
    select(this.element).call(
      this.behaviour.translateBy,
      dx / this.transform.k,
      dy / this.transform.k,
    );
  }

  zoomBy(factor: number): void {
    select(this.element).call(this.behaviour.scaleBy, factor);
  }

  private get baseScale(): number {
    return 100;
  }

  private apply(): void {
    const { k, x, y } = this.transform;
    this.projection
      .scale(this.baseScale * k)
      .translate([x, y])
      .clipExtent([
        [-20, -20],
        [this.width + 20, this.height + 20],
      ]);
  }
}
