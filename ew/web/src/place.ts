// The watcher's place: from the address, a click, a search or the browser; and what is shown for it.

import { Announcer } from "./announcer";
import { intensityWord, roman } from "./colours";
import { byId, byTestId, setText } from "./dom";
import type { PlaceView } from "./events";
import { parsePlace } from "./geo";
import { text } from "./i18n";
import type { City } from "./map/base";
import type { EventVersion, NamedPlace, Place } from "./types";

/** From S on the countdown shows 0 for this long, s; then a word. */
const ZERO_SHOWN_S = 0.5;
const MOST_FOUND = 8;

/** What the countdown says: whole seconds, then a word. */
export function countdownText(view: PlaceView): string {
  if (view.state === "none") return text("countdown.quiet");
  if (view.state === "cancelled") return text("countdown.cancelled");
  if (view.secondsLeft > 0) return String(Math.ceil(view.secondsLeft));
  if (view.secondsLeft > -ZERO_SHOWN_S && !view.isBlind) return "0";
  if (view.state === "over") return text("countdown.over");
  return text(view.isBlind ? "countdown.blind" : "countdown.shaking");
}

export function placeLabel(place: Place & { name?: string }): string {
  const [la, lo] = [Math.abs(place.latitude).toFixed(2), Math.abs(place.longitude).toFixed(2)];
  const coordinates = `${la}°${place.latitude < 0 ? "S" : "N"} ${lo}°${place.longitude < 0 ? "W" : "E"}`;
  return place.name ? `${place.name} (${coordinates})` : coordinates;
}

export class PlacePanel {
  place: NamedPlace | null = null;
  private readonly countdown = byTestId("countdown");
  private readonly intensity = byTestId("intensity");
  private readonly search = byId<HTMLInputElement>("search");
  private readonly found = byId<HTMLDataListElement>("found");
  private readonly announcer: Announcer;
  private isUnknown = false;

  constructor(
    private readonly cities: () => readonly City[],
    private readonly chosen: (place: NamedPlace) => void,
    said: (words: string) => void,
  ) {
    this.announcer = new Announcer(byId("spoken"), said);
    this.search.addEventListener("input", () => this.suggest());
    this.search.addEventListener("change", () => this.take(this.search.value));
    byId("here").addEventListener("click", () => {
      navigator.geolocation?.getCurrentPosition(({ coords }) =>
        this.set({ name: "", latitude: coords.latitude, longitude: coords.longitude }),
      );
    });
  }

  set(place: NamedPlace): void {
    this.place = place;
    setText(byId("place-name"), placeLabel(place));
    localStorage.setItem("ew.place", `${place.latitude},${place.longitude}`);
    this.chosen(place);
  }

  /** Shows what `event` means at the place. */
  show(view: PlaceView, event: EventVersion | undefined): void {
    const words = countdownText(view);
    setText(this.countdown, words);
    this.countdown.dataset["state"] = view.isBlind && view.state === "shaking" ? "blind" : view.state;
    byId("countdown-unit").hidden = view.state !== "counting";
    const strength = view.estimate?.intensity ?? Number.NaN;
    const isKnown = Number.isFinite(strength) && view.state !== "none";
    setText(
      this.intensity,
      isKnown ? `${roman(strength)} · ${text(intensityWord(strength))}` : "–",
    );
    const advice = view.state === "counting" && view.secondsLeft > 10 ? "far" : "near";
    const isAdvised = isKnown && strength >= 3 && view.state !== "over";
    setText(byId("advice"), isAdvised ? text(`advice.${advice}`) : "");
    this.announce(view, words, event);
  }

  private announce(view: PlaceView, words: string, event: EventVersion | undefined): void {
    const { estimate, state } = view;
    if (state !== "counting" || !estimate || !event) {
      this.announcer.word(state === "none" ? "" : words);
      return;
    }
    const seconds = Math.ceil(view.secondsLeft);
    this.announcer.counting(event.event_id, seconds, () =>
      text("countdown.opening", {
        magnitude: event.origin.magnitude?.toFixed(1) ?? "?",
        distance: Math.round(estimate.distanceKm),
        seconds,
        intensity: text(intensityWord(estimate.intensity)),
      }),
    );
  }

  /** The cities have come: looks again for what was asked before. */
  citiesCame(): void {
    if (this.search.value.trim() === "") return;
    this.suggest();
    if (this.isUnknown) this.take(this.search.value);
  }

  private suggest(): void {
    const asked = this.search.value.trim().toLowerCase();
    const matches =
      asked.length < (/^[a-z]/.test(asked) ? 2 : 1)
        ? []
        : this.cities()
            .filter((city) => isNamed(city, asked))
            .slice(0, MOST_FOUND);
    this.found.replaceChildren(
      ...matches.map((city) => new Option(`${city.label}, ${city.country}`)),
    );
  }

  private take(asked: string): void {
    const place = parsePlace(asked);
    if (place) return this.set({ ...place, name: "" });
    const wanted = asked.trim().toLowerCase();
    const city =
      this.cities().find((one) => `${one.label}, ${one.country}`.toLowerCase() === wanted) ??
      this.cities().find((one) => isNamed(one, wanted));
    this.isUnknown = !city || !wanted;
    if (city && wanted) this.set({ ...city, name: city.label });
    else setText(byId("place-name"), text("place.unknown"));
  }
}

/** Whether a city's name begins with what was asked, in either language. */
function isNamed(city: City, asked: string): boolean {
  return city.name.toLowerCase().startsWith(asked) || city.label.toLowerCase().startsWith(asked);
}
