// The map's legend: colours of cells, wavefronts, marks of stations.

import { INTENSITY_COLOURS, roman, SECONDS_COLOURS } from "./colours";
import { byId, make } from "./dom";
import { text } from "./i18n";

export function showLegend(kind: "seconds" | "intensity"): void {
  const steps = kind === "seconds" ? SECONDS_COLOURS.slice(1) : INTENSITY_COLOURS;
  const swatches = steps.map(([from, colour]) => {
    const swatch = make("i", {});
    swatch.style.background = colour;
    const label = kind === "seconds" ? `${Math.floor(from)}+ s` : roman(from);
    return make("span", {}, swatch, label);
  });
  const lines = [
    make("span", { class: "p-line" }, text("map.p")),
    make("span", { class: "s-line" }, text("map.s")),
    make("span", {}, text("map.blind")),
  ];
  const states = (["live", "late", "silent", "suspect", "picked"] as const).map((state) =>
    make("span", { class: `mark ${state}` }, text(`health.${state}`)),
  );
  byId("legend").replaceChildren(...swatches, ...lines, ...states);
}
