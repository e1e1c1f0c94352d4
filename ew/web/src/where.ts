// Where an epicentre is, in words: how far from which city, and in which direction.

import { distanceKm } from "./geo";
import { text } from "./i18n";
import type { City } from "./map/base";
import type { Place } from "./types";

const FARTHEST_KM = 500;
/** Nearer than this the direction says less than the city's name. */
const AT_CITY_KM = 5;
const BEARINGS = ["n", "ne", "e", "se", "s", "sw", "w", "nw"] as const;
const RAD = Math.PI / 180;

/** "24 km SE of Yibin"; coordinates where no city is near. */
export function whereIs(place: Place, cities: readonly City[]): string {
  let nearest: City | undefined;
  let least = FARTHEST_KM;
  for (const city of cities) {
    if (Math.abs(city.latitude - place.latitude) > least / 100) continue;
    const away = distanceKm(place, city);
    if (away < least) [least, nearest] = [away, city];
  }
  if (!nearest) return `${place.latitude.toFixed(2)}, ${place.longitude.toFixed(2)}`;
  const city = nearest.label;
  if (least < AT_CITY_KM) return text("place.at", { city });
  const bearing = text(`bearing.${bearingOf(nearest, place)}`);
  return text("place.near", { city, bearing, distance: Math.round(least) });
}

/** The direction of `to` seen from `from`, one of eight. */
export function bearingOf(from: Place, to: Place): (typeof BEARINGS)[number] {
  const [a, b] = [from.latitude * RAD, to.latitude * RAD];
  const dLon = (to.longitude - from.longitude) * RAD;
  const y = Math.sin(dLon) * Math.cos(b);
  const x = Math.cos(a) * Math.sin(b) - Math.sin(a) * Math.cos(b) * Math.cos(dLon);
  const eighth = Math.round(Math.atan2(y, x) / (Math.PI / 4));
  return BEARINGS[(eighth + 8) % 8]!;
}
