import { describe, expect, it } from "vitest";
import { HeartbeatOrder, ServiceClock } from "../src/clock";
import { EventStore, mostUrgent, viewAt } from "../src/events";
import { centreOf, distanceKm, interpolate, parsePlace, reachKm } from "../src/geo";
import en from "../src/i18n/en.json";
import zh from "../src/i18n/zh.json";
import { stationsOf, takeStates } from "../src/map/live";
import { countdownText } from "../src/place";
import type { EventVersion, Profile } from "../src/types";
import { whereIs } from "../src/where";

const T_US = 1_800_000_000_000_000;
const profile: Profile = {
  scale: "CSIS",
  distance_km: [0, 100, 200],
  p_s: [2, 17, 33],
  s_s: [3, 29, 57],
  intensity: [7, 4, 2],
  alert_km: 200,
};

function version(change: Partial<EventVersion> = {}): EventVersion {
  return {
    event_id: "a", version: 1, kind: "alert", status: "exercise", source: "ew",
    issued_us: T_US + 5e6, expires_us: T_US + 300e6, stations: 4, profile,
    origin: { time_us: T_US, latitude: 0, longitude: 179.5, depth_km: 10, magnitude: 6 },
    ...change,
  };
}

describe("places", () => {
  it("are as near across the date line as elsewhere", () => {
    const a = { latitude: 0, longitude: 179.5 };
    expect(distanceKm(a, { latitude: 0, longitude: -179.5 })).toBeCloseTo(111.2, 0);
    const middle = centreOf([a, { latitude: 0, longitude: -179.5 }]);
    expect(Math.abs(middle.longitude)).toBeCloseTo(180, 6);
  });

  it("are read as LAT,LON and nothing else", () => {
    expect(parsePlace("28.75,104.64")).toEqual({ latitude: 28.75, longitude: expect.closeTo(104.64, 6) });
    for (const text of ["", "28", "a,b", "91,0", "1,2,3", ",", null]) expect(parsePlace(text)).toBeNull();
  });

  it("lie on the wavefront when the wave is there", () => {
    expect(interpolate(50, profile.distance_km, profile.s_s)).toBe(16);
    expect(reachKm(profile, "s_s", 16)).toBe(50);
    expect(reachKm(profile, "s_s", 1)).toBe(-1);
  });
});

describe("countdown", () => {
  const place = { latitude: 0, longitude: -179.6 }; // 100 km away
  const at = (seconds: number) =>
    countdownText(viewAt(version(), version(), place, T_US + seconds * 1e6));

  it("shows whole seconds, 0 at S, then words", () => {
    expect(Number(at(10))).toBeGreaterThan(15);
    const view = viewAt(version(), version(), place, T_US);
    const s = view.secondsLeft;
    expect(at(s - 0.2)).toBe("1");
    expect(at(s + 0.2)).toBe("0");
    expect(at(s + 5)).toBe(en["countdown.shaking"]);
    expect(at(s + 40)).toBe(en["countdown.over"]);
  });

  it("says so where S had passed before the first alert", () => {
    const near = { latitude: 0, longitude: 179.5 };
    expect(countdownText(viewAt(version(), version(), near, T_US + 6e6))).toBe(en["countdown.blind"]);
  });

  it("is of the strongest event that is not over", () => {
    const far = version({ event_id: "b", origin: { ...version().origin, longitude: 178 } });
    expect(mostUrgent([far, version()], place, T_US + 6e6)?.event_id).toBe("a");
  });
});

describe("events", () => {
  it("are shown as they were known at a moment, and not when cancelled", () => {
    const store = new EventStore();
    store.add(version({ version: 2, issued_us: T_US + 9e6 }));
    expect(store.add(version())).toBe(true);
    expect(store.add(version())).toBe(false);
    expect(store.at("a", T_US + 6e6)?.version).toBe(1);
    expect(store.underWay(T_US + 10e6).map((one) => one.version)).toEqual([2]);
    store.add(version({ version: 3, kind: "cancel", issued_us: T_US + 12e6 }));
    expect(store.underWay(T_US + 13e6)).toEqual([]);
    expect(store.underWay(T_US + 10e6)).toHaveLength(1);
  });
});

describe("clock", () => {
  it("follows the quickest heartbeat and shows a past moment on demand", () => {
    let local = 1e9;
    const clock = new ServiceClock(() => local);
    clock.hear(local + 5e6);
    clock.hear(local + 4.9e6); // this one was on its way for longer
    expect(Math.abs(clock.liveUs() - (local + 5e6))).toBeLessThan(1e4);
    local += 1e6;
    clock.show(7);
    expect(clock.nowUs()).toBe(7);
    clock.show(null);
    expect(clock.nowUs()).toBeGreaterThan(local);
  });
});

describe("clock beside replayed heartbeats", () => {
  it("is set back only when nothing else is told", () => {
    let local = 0;
    const clock = new ServiceClock(() => local);
    const dayUs = 86_400e6;
    for (let second = 0; second < 30; second++) {
      local = second * 1e6;
      clock.hear(dayUs + local);
      clock.hear(local);
      expect(clock.liveUs()).toBe(dayUs + local);
    }
    for (let second = 30; second < 40; second++) {
      local = second * 1e6;
      clock.hear(local);
    }
    expect(clock.liveUs()).toBe(local);
  });
});

describe("heartbeats", () => {
  it("count when they are later than all before, until a new document of keys comes", () => {
    const order = new HeartbeatOrder();
    expect([100e6, 99e6, 100e6, 89e6, 101e6].map((us) => order.judge(us))).toEqual([
      "new", "known", "known", "old", "new",
    ]);
    order.forget();
    expect(order.judge(50e6)).toBe("new");
  });
});

it("Chinese has a text for each English one", () => {
  expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
});

describe("stations", () => {
  it("take their state from the service, in doubt where clock or gain is", () => {
    const channel = (code: string) => ({ seed_id: `XS.${code}..HHZ`, latitude: 0, longitude: 0 });
    const stations = stationsOf(["A", "B", "C"].map(channel));
    takeStates(stations, {
      health: "ok",
      mode: "exercise",
      stations: { states: { "XS.A": "live", "XS.B": "silent", "XS.C": "live", "XS.D": "late" } },
      suspect_gains: { "XS.C": {} },
    });
    expect([...stations.values()].map((one) => one.state)).toEqual(["live", "silent", "suspect"]);
  });
});

describe("an epicentre in words", () => {
  const city = (name: string, latitude: number, longitude: number) => ({
    name, label: name, country: "FJ", latitude, longitude, population: 1e5,
  });
  const cities = [city("Suva", -18.1, 178.4), city("Labasa", -16.4, 179.4)];

  it("lies so far from the nearest city, also across the date line", () => {
    expect(whereIs({ latitude: -16.4, longitude: -179.6 }, cities)).toBe("107 km E of Labasa");
    expect(whereIs({ latitude: -19.0, longitude: 178.4 }, cities)).toBe("100 km S of Suva");
    expect(whereIs({ latitude: -18.11, longitude: 178.41 }, cities)).toBe("Suva");
    expect(whereIs({ latitude: 50, longitude: 10 }, cities)).toBe("50.00, 10.00");
  });
});
