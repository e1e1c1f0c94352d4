import { describe, expect, it } from "vitest";
import { Announcer } from "../src/announcer";
import { Sounded } from "../src/earthquakes";
import type { Origin } from "../src/types";

const T_US = 1_800_000_000_000_000;

function origin(change: Partial<Origin> = {}): Origin {
  return { time_us: T_US, latitude: 30, longitude: 103, depth_km: 10, magnitude: 5, ...change };
}

describe("an earthquake", () => {
  it("sounds once, however it grows", () => {
    const sounded = new Sounded();
    expect(sounded.take("a", origin(), false)).toBe(false);
    expect(sounded.take("a", origin({ magnitude: 5.5 }), true)).toBe(true);
    expect(sounded.take("a", origin({ magnitude: 7.5 }), true)).toBe(false);
  });

  it("does not sound again under another id", () => {
    const sounded = new Sounded();
    sounded.take("a", origin(), true);
    expect(sounded.take("b", origin({ time_us: T_US + 4e6, latitude: 30.3 }), true)).toBe(false);
  });

  it("sounds after another one where it is larger, later or elsewhere", () => {
    for (const change of [{ magnitude: 6.2 }, { time_us: T_US + 60e6 }, { latitude: 34 }]) {
      const sounded = new Sounded();
      sounded.take("a", origin(), true);
      expect(sounded.take("b", origin({ time_us: T_US + 5e6, ...change }), true)).toBe(true);
    }
  });
});

describe("a screen reader", () => {
  const heard = (from: number) => {
    const said: string[] = [];
    const element = {
      text: "",
      get textContent() {
        return this.text;
      },
      set textContent(value: string) {
        this.text = value;
        said.push(value);
      },
    };
    const announcer = new Announcer(element as unknown as Element);
    for (let seconds = from; seconds > 0; seconds--) {
      // The page asks many times a second
      for (let again = 0; again < 3; again++) announcer.counting("a", seconds, () => "earthquake");
    }
    announcer.word("shaking now");
    return said;
  };

  it("hears what comes, then few numbers, then the last ones", () => {
    const numbers = [45, 30, 15, 10, 5, 4, 3, 2, 1].map((seconds) => `${seconds} seconds`);
    expect(heard(54)).toEqual(["earthquake", ...numbers, "shaking now"]);
  });

  it("hears the opening to its end", () => {
    expect(heard(17)).toEqual([
      "earthquake", "10 seconds", "5 seconds", "4 seconds", "3 seconds", "2 seconds", "1 seconds",
      "shaking now",
    ]);
  });
});
