// Distances on the Earth and values against distance. Angles in degrees, distances in kilometres.

import type { Origin, Place, Profile } from "./types";

export const EARTH_RADIUS_KM = 6371.0;
const RAD = Math.PI / 180;

/** Great-circle distance in km (haversine form, exact across the date line). */
export function distanceKm(a: Place, b: Place): number {
  const dLat = (b.latitude - a.latitude) * RAD;
  const dLon = (b.longitude - a.longitude) * RAD;
  const h =
    Math.sin(dLat / 2) ** 2 +
    Math.cos(a.latitude * RAD) * Math.cos(b.latitude * RAD) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** Linear interpolation of `ys` over ascending `xs`; the ends hold beyond them. */
export function interpolate(x: number, xs: readonly number[], ys: readonly number[]): number {
  const last = xs.length - 1;
  if (last < 0) return Number.NaN;
  if (x <= xs[0]!) return ys[0]!;
  if (x >= xs[last]!) return ys[last]!;
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle]! <= x) low = middle;
    else high = middle;
  }
  const share = (x - xs[low]!) / (xs[high]! - xs[low]!);
  return ys[low]! + share * (ys[high]! - ys[low]!);
}

/** Distance a wave has reached `elapsedS` after the origin; negative before it is at the surface. */
export function reachKm(profile: Profile, wave: "p_s" | "s_s", elapsedS: number): number {
  const times = profile[wave];
  if (times.length === 0 || elapsedS < times[0]!) return -1;
  return interpolate(elapsedS, times, profile.distance_km);
}

export type Estimate = {
  distanceKm: number;
  pArrivalUs: number;
  sArrivalUs: number;
  intensity: number;
};

/** Arrivals and intensity at a place, from the profile that comes with an event version. */
export function estimate(origin: Origin, profile: Profile, place: Place): Estimate {
  const distance = distanceKm(origin, place);
  const at = (column: readonly number[]) => interpolate(distance, profile.distance_km, column);
  return {
    distanceKm: distance,
    pArrivalUs: origin.time_us + at(profile.p_s) * 1e6,
    sArrivalUs: origin.time_us + at(profile.s_s) * 1e6,
    intensity: at(profile.intensity),
  };
}

/** Reads `LAT,LON`; `null` where it is no place on Earth. */
export function parsePlace(text: string | null): Place | null {
  const parts = (text ?? "").split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  const [latitude, longitude] = parts;
  if (parts.length !== 2 || !Number.isFinite(latitude) || !Number.isFinite(longitude)) return null;
  if (Math.abs(latitude!) > 90 || Math.abs(longitude!) > 360) return null;
  return { latitude: latitude!, longitude: wrapLongitude(longitude!) };
}

/** A longitude in [-180, 180). */
export function wrapLongitude(longitude: number): number {
  return ((((longitude + 180) % 360) + 360) % 360) - 180;
}

/** The centre of places, by the mean of their directions, so that the date line is no seam. */
export function centreOf(places: readonly Place[]): Place {
  let x = 0;
  let y = 0;
  let z = 0;
  for (const { latitude, longitude } of places) {
    x += Math.cos(latitude * RAD) * Math.cos(longitude * RAD);
    y += Math.cos(latitude * RAD) * Math.sin(longitude * RAD);
    z += Math.sin(latitude * RAD);
  }
  if (Math.hypot(x, y, z) < 1e-9) return { latitude: 0, longitude: 0 };
  return { latitude: Math.atan2(z, Math.hypot(x, y)) / RAD, longitude: Math.atan2(y, x) / RAD };
}

/** Four places so far from a centre, to have a map show all between them. */
export function around(centre: Place, km: number): Place[] {
  const up = km / (EARTH_RADIUS_KM * RAD);
  const aside = up / Math.max(0.05, Math.cos(centre.latitude * RAD));
  const { latitude, longitude } = centre;
  return [
    { latitude: Math.min(89, latitude + up), longitude },
    { latitude: Math.max(-89, latitude - up), longitude },
    { latitude, longitude: wrapLongitude(longitude + aside) },
    { latitude, longitude: wrapLongitude(longitude - aside) },
  ];
}
