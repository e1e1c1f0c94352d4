// The map as a whole: three canvases over each other, moved by mouse, touch and keys.

import { roman } from "../colours";
import { make, setText } from "../dom";
import { text } from "../i18n";
import type { EventVersion, Place } from "../types";
import { BaseMap } from "./base";
import { CellLayer } from "./cells";
import { LiveLayer, type Scene } from "./live";
import { MapView } from "./view";

/** The slow layers are drawn anew when the view has been still for this long, ms. */
const STILL_MS = 140;
const CELLS_EVERY_US = 1e6;
const PAN_STEP_PX = 80;
/** A map moved by hand stays as it is for so long, ms. */
const LEFT_ALONE_MS = 60_000;

export class EventMap {
  readonly base: BaseMap;
  readonly cells: CellLayer;
  private readonly live: LiveLayer;
  private readonly view: MapView;
  private still: ReturnType<typeof setTimeout> | undefined;
  private cellsUs = 0;
  private cellsKey = "";
  private isWanted = true;
  private readonly tip = make("div", { class: "tip", hidden: "" });

  constructor(
    private readonly element: HTMLElement,
    onPlace: (place: Place) => void,
  ) {
    this.view = new MapView(element, () => this.moved());
    this.base = new BaseMap(this.view);
    this.cells = new CellLayer(this.view);
    this.live = new LiveLayer(this.view);
    element.prepend(
      this.base.layer.canvas,
      this.cells.layer.canvas,
      this.base.names.canvas,
      this.live.canvas,
    );
    element.addEventListener("click", (event) => {
      if (event.target instanceof HTMLElement && event.target.closest("button, select")) return;
      const box = element.getBoundingClientRect();
      const place = this.view.placeAt(event.clientX - box.left, event.clientY - box.top);
      if (place && Math.abs(place.latitude) <= 90) onPlace(place);
    });
    element.addEventListener("keydown", (event) => this.key(event, onPlace));
    element.append(this.tip);
    element.addEventListener("pointermove", (event) => this.point(event));
    element.addEventListener("pointerleave", () => (this.tip.hidden = true));
    new ResizeObserver(() => {
      this.view.resize();
      this.live.readTheme(); // the writing grows with the window
      this.redraw();
    }).observe(element);
  }

  fit(places: readonly Place[]): void {
    this.view.fit(places);
    // Nobody's hand goes on moving it, so there is nothing to wait for
    clearTimeout(this.still);
    this.redraw();
  }

  /** Whether nobody is looking around by hand, so that the map may turn by itself. */
  get isFree(): boolean {
    return performance.now() - this.view.movedMs > LEFT_ALONE_MS;
  }

  /** Draws what moves; the cells once a second, since their colours change no faster. */
  draw(scene: Scene, cellsOf: EventVersion | undefined): void {
    const key = cellsOf ? `${cellsOf.event_id} ${cellsOf.version}` : "";
    if (key !== this.cellsKey || Math.abs(scene.nowUs - this.cellsUs) >= CELLS_EVERY_US) {
      this.cellsUs = scene.nowUs;
      if (key !== "" || this.cellsKey !== "") this.cells.show(cellsOf, scene.nowUs);
      this.cellsKey = key;
    }
    this.live.draw(scene);
    this.tell();
    this.isWanted = false;
  }

  /** Whether something moved the map since it was drawn. */
  get needsDrawing(): boolean {
    return this.isWanted;
  }

  redraw(): void {
    this.isWanted = true;
    this.base.layer.redraw();
    this.base.names.redraw();
    this.cells.layer.redraw();
  }

  themeChanged(): void {
    this.live.readTheme();
    this.redraw();
  }

  /** What the map shows, for those who can't see it: tests, and an operator's own scripts. */
  private tell(): void {
    const { dataset } = this.element;
    dataset["stations"] = String(this.live.stations);
    dataset["cells"] = String(this.cells.count);
    dataset["drawn"] = this.base.cities.length > 0 && this.base.layer.isWhole && this.base.names.isWhole && this.cells.isWhole ? "whole" : "partly";
  }

  /** Names the station under the pointer. */
  private point(event: PointerEvent): void {
    const box = this.element.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const station = this.live.stationAt(x, y);
    this.tip.hidden = !station;
    if (!station) return;
    const motion = Number.isFinite(station.intensity) ? ` · ${roman(station.intensity)}` : "";
    setText(this.tip, `${station.code} · ${text(`health.${station.state}`)}${motion}`);
    this.tip.style.transform = `translate(${x}px, ${y}px)`;
    this.tip.dataset["side"] = x > this.view.width / 2 ? "left" : "right";
  }

  private moved(): void {
    this.isWanted = true;
    // The first call comes from within the constructor, before there are layers
    if (!this.live) return;
    this.base.layer.follow();
    this.base.names.follow();
    this.cells.layer.follow();
    clearTimeout(this.still);
    this.still = setTimeout(() => this.redraw(), STILL_MS);
  }

  private key(event: KeyboardEvent, onPlace: (place: Place) => void): void {
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.view.pan(PAN_STEP_PX, 0),
      ArrowRight: () => this.view.pan(-PAN_STEP_PX, 0),
      ArrowUp: () => this.view.pan(0, PAN_STEP_PX),
      ArrowDown: () => this.view.pan(0, -PAN_STEP_PX),
      "+": () => this.view.zoomBy(1.5),
      "=": () => this.view.zoomBy(1.5),
      "-": () => this.view.zoomBy(1 / 1.5),
      Enter: () => {
        const middle = this.view.placeAt(this.view.width / 2, this.view.height / 2);
        if (middle) onPlace(middle);
      },
    };
    const move = event.target === this.element ? moves[event.key] : undefined;
    if (!move) return;
    event.preventDefault();
    this.view.movedMs = performance.now();
    move();
  }
}
