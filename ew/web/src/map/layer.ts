// A canvas of the map. What is costly to draw is drawn in slices of a few milliseconds into a picture
// of its own, which takes the old one's place when it is whole; until then the old one is moved along.

import type { ZoomTransform } from "d3-zoom";
import { zoomIdentity } from "d3-zoom";
import type { MapView } from "./view";

/** A slice of drawing leaves the rest of a frame of 16 ms to everything else. */
export const SLICE_MS = 6;

/** Lets frames and input come in between slices; a slow machine's few frames do not hold the work up. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

export class Layer {
  canvas = newCanvas();
  pen = this.canvas.getContext("2d")!;

  constructor(protected readonly view: MapView) {
    this.resize();
  }

  resize(): void {
    fitCanvas(this.canvas, this.view);
  }

  clear(): void {
    this.pen.setTransform(1, 0, 0, 1, 0, 0);
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const ratio = pixelRatio();
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  }
}

/** A layer whose picture takes longer than a frame to draw. */
export class SlowLayer extends Layer {
  private drawnFor: ZoomTransform = zoomIdentity;
  private job = 0;
  private drawing: ZoomTransform | null = null;
  private isWantedAgain = false;
  private isBlank = true;
  /**
   * The canvas that is drawn on while the other is seen; then they change places. A new canvas for each
   * drawing, copied when it is whole, costs a wall of 4K some 20 MB of memory and as much copying.
   */
  private spare = newCanvas();

  constructor(
    view: MapView,
    private readonly steps: (pen: CanvasRenderingContext2D) => Iterable<void>,
    private readonly hasContent: () => boolean,
  ) {
    super(view);
  }

  /**
   * Draws anew, in slices. A call during a drawing begins again if the view has moved, else it draws
   * once more afterwards: on a slow machine a layer that changes each second would never be finished.
   */
  redraw(): void {
    // A picture of nothing costs a large screen as much as one of something
    if (this.isBlank && !this.hasContent()) return;
    const transform = this.view.current;
    if (this.drawing === transform) {
      this.isWantedAgain = true;
      return;
    }
    this.drawing = transform;
    const job = ++this.job;
    const picture = this.spare;
    fitCanvas(picture, this.view);
    const pen = picture.getContext("2d")!;
    pen.restore(); // what a drawing that was given up had set
    pen.save();
    pen.clearRect(0, 0, picture.width, picture.height);
    const ratio = pixelRatio();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const iterator = this.steps(pen)[Symbol.iterator]();
    const slice = () => {
      if (job !== this.job) return;
      const end = performance.now() + SLICE_MS;
      do {
        if (iterator.next().done) {
          this.spare = this.canvas;
          this.spare.replaceWith(picture);
          this.canvas = picture;
          this.pen = pen;
          this.isBlank = !this.hasContent();
          this.drawnFor = transform;
          this.follow();
          this.drawing = null;
          if (this.isWantedAgain) {
            this.isWantedAgain = false;
            this.redraw();
          }
          return;
        }
      } while (performance.now() < end);
      setTimeout(slice);
    };
    slice();
  }

  /** Whether nothing is left to draw. */
  get isWhole(): boolean {
    return this.drawing === null;
  }

  /** Moves the picture drawn for an earlier view to where it belongs now. */
  follow(): void {
    const { k, x, y } = this.view.current;
    const old = this.drawnFor;
    const scale = k / old.k;
    this.canvas.style.transform = `translate(${x - old.x * scale}px, ${y - old.y * scale}px) scale(${scale})`;
  }
}

/** What is drawn grows with the page's writing, from a phone to a wall. */
export function mapScale(): number {
  const root = parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
  return Math.max(1, root / 15);
}

export function mapFont(size: number, weight = ""): string {
  return `${weight} ${Math.round(size * mapScale())}px system-ui, "Noto Sans CJK SC", sans-serif`;
}

export function pixelRatio(): number {
  // Above 2 a wall of 4K costs four times the pixels for nothing an eye can see.
  return Math.min(2, window.devicePixelRatio || 1);
}

function newCanvas(): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.className = "map-layer";
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

function fitCanvas(canvas: HTMLCanvasElement, view: MapView): void {
  const ratio = pixelRatio();
  const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
    canvas.style.width = `${view.width}px`;
    canvas.style.height = `${view.height}px`;
  }
}
