// Map tiles from a server that the operator has named. Without one the page asks no other machine.

import type { MapView } from "./view";

const TILE_PX = 256;
const MOST_ZOOM = 18;
/** Web Mercator ends here, degrees. */
const MOST_LATITUDE = 85.0511;
const KEPT = 400;

export type TileSettings = { tiles: string | null; attribution: string };

export class Tiles {
  private address: string | null = null;
  private readonly images = new Map<string, HTMLImageElement>();

  constructor(
    private readonly view: MapView,
    private readonly came: () => void,
  ) {}

  use(settings: TileSettings | undefined): void {
    this.address = settings?.tiles ?? null;
  }

  get isOn(): boolean {
    return this.address !== null;
  }

  /** Draws the tiles that are here and asks for those that are not. */
  *draw(pen: CanvasRenderingContext2D): Iterable<void> {
    if (this.address === null) return;
    const circumference = 2 * Math.PI * this.view.projection.scale();
    const zoom = Math.round(Math.log2(circumference / TILE_PX));
    const z = Math.min(MOST_ZOOM, Math.max(0, zoom));
    const count = 2 ** z;
    const size = circumference / count;
    const corner = this.view.at({ latitude: MOST_LATITUDE, longitude: -180 });
    if (!corner) return;
    const [left, top] = corner;
    const { width, height } = this.view;
    for (let x = Math.floor(-left / size); left + x * size < width; x++) {
      for (let y = Math.max(0, Math.floor(-top / size)); y < count && top + y * size < height; y++) {
        // Around the Earth: what lies beyond the date line is a tile like any other
        const image = this.image(z, ((x % count) + count) % count, y);
        if (!image) continue;
        pen.drawImage(image, left + x * size, top + y * size, size + 0.5, size + 0.5);
        yield;
      }
    }
  }

  private image(z: number, x: number, y: number): HTMLImageElement | null {
    const url = this.address!
      .replace("{z}", String(z))
      .replace("{x}", String(x))
      .replace("{y}", String(y));
    const known = this.images.get(url);
    if (known) return known.complete && known.naturalWidth > 0 ? known : null;
    const image = new Image();
    image.referrerPolicy = "no-referrer";
    image.onload = () => this.came();
    image.src = url;
    this.images.set(url, image);
    if (this.images.size > KEPT) this.images.delete(this.images.keys().next().value!);
    return null;
  }
}
