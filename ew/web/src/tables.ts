// The tables beside the map: cities with their seconds, and alerted devices by kind.

import { roman } from "./colours";
import { byId, byTestId, make, setText } from "./dom";
import { distanceKm, estimate } from "./geo";
import { text } from "./i18n";
import type { City } from "./map/base";
import type { DeviceCounts, EventVersion } from "./types";

const MOST_CITIES = 8;
const REACH_KM = 800;

export type CityRow = { key: string; city: City; element: HTMLElement };

/** Shows the largest cities that feel an event, in the order in which S reaches them. */
export function cityRows(
  rows: CityRow[],
  cities: readonly City[],
  event: EventVersion | undefined,
  nowUs: number,
): CityRow[] {
  const body = byId("cities");
  byId("cities-panel").hidden = !event?.profile;
  if (!event?.profile) {
    if (rows.length > 0) body.replaceChildren();
    return [];
  }
  const key = `${event.event_id}.${event.version}.${cities.length}`;
  const shown = rows[0]?.key === key ? rows : chosen(cities, event, key);
  byId("cities-panel").hidden = shown.length === 0;
  if (shown !== rows) body.replaceChildren(...shown.map((row) => row.element));
  for (const { city, element } of shown) {
    const found = estimate(event.origin, event.profile, city);
    const left = (found.sArrivalUs - nowUs) / 1e6;
    setText(element.children[1]!, left > 0 ? String(Math.ceil(left)) : text("cities.passed"));
    setText(element.children[2]!, roman(found.intensity));
  }
  return shown;
}

function chosen(cities: readonly City[], event: EventVersion, key: string): CityRow[] {
  const profile = event.profile!;
  const reach = Math.max(profile.alert_km, 100);
  return cities
    .filter((city) => distanceKm(event.origin, city) < Math.min(reach, REACH_KM))
    .slice(0, MOST_CITIES)
    .sort((a, b) => distanceKm(event.origin, a) - distanceKm(event.origin, b))
    .map((city) => {
      const element = make("tr", { "data-testid": "city", "data-name": city.name });
      element.append(make("th", { scope: "row" }, city.label), make("td", {}), make("td", {}));
      return { key, city, element };
    });
}

export function showDevices(kinds: DeviceCounts): void {
  const box = byTestId("devices");
  const rows = Object.entries(kinds);
  if (rows.length === 0) {
    box.replaceChildren(make("p", {}, text("devices.none")));
    return;
  }
  const head = make("tr", {});
  for (const key of ["devices.kind", "devices.alerted", "devices.expected"]) {
    head.append(make("th", { scope: "col" }, text(key)));
  }
  const table = make("table", {}, make("thead", {}, head));
  const body = make("tbody", {});
  for (const [kind, { alerted, expected }] of rows) {
    const row = make("tr", { "data-kind": kind });
    row.append(
      make("th", { scope: "row" }, kindName(kind)),
      make("td", { "data-alerted": String(alerted) }, alerted.toLocaleString("en")),
      make("td", { "data-expected": String(expected) }, expected.toLocaleString("en")),
    );
    body.append(row);
  }
  table.append(body);
  box.replaceChildren(table);
}

/** A kind of device in the reader's language; configuration may name others. */
function kindName(kind: string): string {
  const key = `kind.${kind}`;
  const name = text(key);
  return name === key ? kind : name;
}
