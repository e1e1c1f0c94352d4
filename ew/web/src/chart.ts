// Small charts of a past event, drawn as SVG: they scale, print and need no library.

import { make, setText } from "./dom";
import { distanceKm } from "./geo";
import { text } from "./i18n";
import type { EventVersion, Latency } from "./types";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 120;
const LEFT = 34;
const BOTTOM = 18;

/** Magnitude of each version against seconds after the origin. */
export function magnitudeChart(versions: readonly EventVersion[]): Element {
  const points = versions.map((one): [number, number] => [
    since(one),
    one.origin.magnitude ?? Number.NaN,
  ]);
  return stepChart(text("chart.magnitude"), points);
}

/** How far each version's epicentre lies from the last one's, against seconds after the origin. */
export function epicentreChart(versions: readonly EventVersion[]): Element {
  const last = versions.at(-1);
  const points = versions.map((one): [number, number] => [
    since(one),
    last ? distanceKm(one.origin, last.origin) : 0,
  ]);
  return stepChart(text("chart.epicentre"), points);
}

const STAGES = [
  "p_first_us",
  "p_fourth_us",
  "packet_us",
  "picked_us",
  "located_us",
  "issued_us",
  "first_signed_us",
  "first_publish_us",
  "last_publish_us",
  "received_p50_us",
  "received_p99_us",
] as const;

/** The latency receipt as bars from P at the first station on. */
export function latencyChart(latency: Latency | null | undefined): Element {
  const times = stageTimes(latency);
  const figure = make("figure", { class: "chart" });
  const caption = make("figcaption", {}, text("chart.latency"));
  figure.append(caption);
  const zero = times[0]?.[1];
  if (zero === undefined) return figure;
  const last = Math.max(...times.map(([, time]) => time - zero), 1);
  const list = make("table", { class: "bars" });
  for (const [stage, time] of times) {
    const seconds = (time - zero) / 1e6;
    const bar = make("span", { class: "bar" });
    bar.style.width = `${Math.max(0.5, ((time - zero) / last) * 100)}%`;
    const row = make("tr", {});
    const name = make("th", { scope: "row" }, text(`latency.${stage}`));
    row.append(name, make("td", {}, bar), make("td", {}, seconds.toFixed(2)));
    list.append(row);
  }
  figure.append(list);
  return figure;
}

function stageTimes(latency: Latency | null | undefined): [string, number][] {
  if (!latency) return [];
  const received = (name: "received_p50_ms" | "received_p99_ms") => {
    const sent = latency.first_publish_us;
    const ms = latency[name];
    return typeof sent === "number" && typeof ms === "number" ? sent + ms * 1000 : undefined;
  };
  const all: Record<string, unknown> = {
    ...latency,
    received_p50_us: received("received_p50_ms"),
    received_p99_us: received("received_p99_ms"),
  };
  return STAGES.map((stage): [string, unknown] => [stage, all[stage]]).filter(
    (pair): pair is [string, number] => typeof pair[1] === "number" && pair[1] > 0,
  );
}

function since(version: EventVersion): number {
  return (version.issued_us - version.origin.time_us) / 1e6;
}

function stepChart(title: string, points: readonly [number, number][]): Element {
  const figure = make("figure", { class: "chart" });
  figure.append(make("figcaption", {}, title));
  const known = points.filter(([, y]) => Number.isFinite(y));
  if (known.length === 0) return figure;
  const xs = known.map(([x]) => x);
  const ys = known.map(([, y]) => y);
  const [low, high] = [Math.min(...ys) - 0.2, Math.max(...ys) + 0.2];
  const [from, to] = [Math.min(...xs), Math.max(...xs, Math.min(...xs) + 1)];
  const x = (value: number) => LEFT + ((value - from) / (to - from)) * (WIDTH - LEFT - 8);
  const y = (value: number) =>
    HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - BOTTOM - 8);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${title}: ${ys[0]!.toFixed(1)} – ${ys.at(-1)!.toFixed(1)}`);
  const path = known
    .map(([px, py], index) => (index === 0 ? `M${x(px)} ${y(py)}` : `H${x(px)}V${y(py)}`))
    .join("");
  svg.append(svgElement("path", { d: path, class: "line" }));
  for (const [px, py] of known) {
    svg.append(svgElement("circle", { cx: `${x(px)}`, cy: `${y(py)}`, r: "2.5", class: "dot" }));
  }
  for (const value of [Math.min(...ys), Math.max(...ys)]) {
    const label = svgElement("text", { x: "2", y: `${y(value) + 4}` });
    setText(label, value.toFixed(1));
    svg.append(label);
  }
  for (const [value, anchor] of [[from, "start"], [to, "end"]] as const) {
    const label = svgElement("text", {
      x: `${x(value)}`,
      y: `${HEIGHT - 4}`,
      "text-anchor": anchor,
    });
    setText(label, `${value.toFixed(0)} s`);
    svg.append(label);
  }
  figure.append(svg);
  return figure;
}

function svgElement(name: string, attributes: Record<string, string>): SVGElement {
  const element = document.createElementNS(SVG, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
