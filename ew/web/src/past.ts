// Past events: the list, one event's charts, and its playback on the map.

import { epicentreChart, latencyChart, magnitudeChart } from "./chart";
import type { ServiceClock } from "./clock";
import { byId, byTestId, make, setText } from "./dom";
import { endOfEventS, type EventStore } from "./events";
import { text } from "./i18n";
import type { EventVersion, Place } from "./types";

/** A playback begins so long before the origin, s. */
const BEFORE_S = 5;

export class PastEvents {
  /** The event that is played back; `null` while the page is live. */
  selected: string | null = null;
  private readonly list = byTestId("events");
  private readonly slider = byTestId<HTMLInputElement>("playback");
  private isPlaying = false;
  private lastMs = 0;
  private shownKey = "";

  constructor(
    private readonly store: EventStore,
    private readonly clock: ServiceClock,
    private readonly load: (eventId: string) => Promise<void>,
    private readonly where: (place: Place) => string,
  ) {
    this.slider.addEventListener("input", () => {
      this.isPlaying = false;
      this.showTime();
    });
    byId("back-to-live").addEventListener("click", () => this.goLive());
    byId("play").addEventListener("click", () => {
      this.isPlaying = !this.isPlaying;
      this.lastMs = performance.now();
      this.showButtons();
    });
  }

  /** Fills the list; rebuilt only when an event or a version came. */
  update(nowUs: number): void {
    const all = this.store.all();
    const key = all.map((one) => `${one.event_id}.${one.version}`).join() + this.selected;
    if (key === this.shownKey) return;
    this.shownKey = key;
    byId("events-none").hidden = all.length > 0;
    this.list.replaceChildren(...all.map((version) => this.row(version, nowUs)));
  }

  async open(eventId: string): Promise<void> {
    await this.load(eventId);
    const versions = this.store.versions(eventId);
    const last = versions.at(-1);
    if (!last) return;
    this.selected = eventId;
    this.slider.min = String(-BEFORE_S);
    this.slider.max = String(Math.ceil(endOfEventS(last)));
    this.slider.value = String(Math.round((versions[0]!.issued_us - last.origin.time_us) / 1e6));
    this.isPlaying = false;
    byId("playback-panel").hidden = false;
    byId("past-mark").hidden = false;
    byId("charts").replaceChildren(
      magnitudeChart(versions),
      epicentreChart(versions),
      latencyChart(versions.find((one) => one.latency)?.latency),
    );
    this.showTime();
    this.slider.focus();
  }

  goLive(): void {
    this.selected = null;
    this.isPlaying = false;
    this.clock.show(null);
    byId("playback-panel").hidden = true;
    byId("past-mark").hidden = true;
    byId("charts").replaceChildren();
  }

  /** Moves a running playback on; to be called every frame. */
  advance(): void {
    if (!this.selected || !this.isPlaying) return;
    const now = performance.now();
    const next = Number(this.slider.value) + (now - this.lastMs) / 1000;
    this.lastMs = now;
    if (next >= Number(this.slider.max)) this.isPlaying = false;
    this.slider.value = String(next);
    this.showTime();
  }

  private showTime(): void {
    const last = this.selected ? this.store.newest(this.selected) : undefined;
    if (!last) return;
    const seconds = Number(this.slider.value);
    this.clock.show(last.origin.time_us + seconds * 1e6);
    const words = text("playback.time", { seconds: seconds.toFixed(1) });
    setText(byId("playback-time"), words);
    this.slider.setAttribute("aria-valuetext", words);
    this.showButtons();
  }

  private showButtons(): void {
    setText(byId("play"), text(this.isPlaying ? "playback.pause" : "playback.play"));
  }

  private row(version: EventVersion, nowUs: number): HTMLElement {
    const { origin, event_id: eventId } = version;
    const when = new Date(origin.time_us / 1000).toISOString().slice(0, 19).replace("T", " ");
    const magnitude = origin.magnitude?.toFixed(1) ?? "?";
    const state = version.kind === "cancel" ? ` (${text("events.cancelled")})` : "";
    const status = version.status === "actual" ? "" : ` [${text(`mode.${version.status}`)}]`;
    const button = make(
      "button",
      { type: "button", "data-event-id": eventId },
      make("strong", {}, text("event.name", { magnitude, where: this.where(origin) })),
      make("span", {}, `${when} UTC · v${version.version}${state}${status}`),
    );
    button.setAttribute("aria-pressed", String(this.selected === eventId));
    button.addEventListener("click", () => void this.open(eventId));
    const item = make("li", {}, button);
    item.dataset["old"] = String(origin.time_us < nowUs - 86_400e6);
    return item;
  }
}
