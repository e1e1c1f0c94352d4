// What an operator wants to know: stations by state, the parts of the service, what needs a hand.

import { byId, byTestId, make, setText } from "./dom";
import { text } from "./i18n";
import type { Station } from "./map/live";
import type { Health, StationState } from "./types";

const STATES: readonly StationState[] = [
  "live",
  "late",
  "silent",
  "suspect",
  "backlog",
  "future",
  "unknown",
  "refused",
];
const MOST_NAMED = 12;

export class HealthPanel {
  private readonly word = byTestId("health");
  private readonly detail = byId("health-detail");
  private shown = "";

  /** The word in the header. */
  say(word: string): void {
    setText(this.word, word);
    this.word.dataset["ok"] = String(word === "ok");
  }

  /** The panel, from the whole status. */
  show(status: Health, stations: Iterable<Station>): void {
    this.say(status.health);
    const byState = new Map<StationState, string[]>();
    for (const { state, code } of stations) {
      byState.set(state, [...(byState.get(state) ?? []), code]);
    }
    const rows: [string, string][] = STATES.filter((state) => byState.has(state)).map((state) => {
      const codes = byState.get(state)!;
      const isFine = state === "live";
      const names = isFine ? "" : `: ${codes.slice(0, MOST_NAMED).join(" ")}`;
      const more = !isFine && codes.length > MOST_NAMED ? " …" : "";
      return [`${text("health.stations")} – ${text(`health.${state}`)}`, `${codes.length}${names}${more}`];
    });
    const parts: [string, unknown][] = [
      ["health.broker", status["broker"]],
      ["health.sources", status["sources"] ?? status["seedlink"]],
      ["health.journal", status["journal"]],
      ["health.detectors", status["detectors"]],
    ];
    for (const [key, part] of parts) {
      if (part && inWords(part) !== "") rows.push([text(key), inWords(part)]);
    }
    const needs = needsOf(status);
    rows.push([
      text("health.hand"),
      needs.length > 0 ? needs.join("; ") : text("health.nothing"),
    ]);
    const key = JSON.stringify(rows);
    if (key === this.shown) return;
    this.shown = key;
    this.detail.replaceChildren(
      ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]),
    );
  }
}

function needsOf(status: Health): string[] {
  const reasons = status.reasons;
  if (Array.isArray(reasons)) return reasons.map(String);
  return status.health === "ok" ? [] : [status.health];
}

/** A part of the status in a line: its members as `name value`. */
function inWords(part: unknown): string {
  if (part === null || typeof part !== "object") return String(part);
  return Object.entries(part)
    .map(([name, value]) => {
      const isFlat = value === null || typeof value !== "object";
      return `${name} ${isFlat ? String(value) : `(${inWords(value)})`}`;
    })
    .join(", ");
}
