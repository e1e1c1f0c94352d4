// Colours and words of the page's scales. The intensity colours climb in lightness as well as in hue,
// so that they keep their order for colour-blind readers.

/** From this intensity on the colour holds, CSIS or MMI. */
export const INTENSITY_COLOURS: readonly [number, string][] = [
  [1, "#8a9bb0"],
  [2, "#6fa8dc"],
  [3, "#4fc3c8"],
  [4, "#7bc96f"],
  [5, "#e8d44d"],
  [6, "#f2a33a"],
  [7, "#ea6a2f"],
  [8, "#d7302c"],
  [9, "#a4133c"],
  [10, "#6a0f49"],
];

/** Seconds until S at a cell: the fewer, the warmer. */
export const SECONDS_COLOURS: readonly [number, string][] = [
  [0, "#7d1d3f"],
  [0.001, "#d7302c"],
  [5, "#ea6a2f"],
  [10, "#f2a33a"],
  [20, "#e8d44d"],
  [30, "#7bc96f"],
  [60, "#4fa3c8"],
];

/** The colour of the highest step that `value` reaches; the lowest step's below it. */
export function stepColour(value: number, steps: readonly [number, string][]): string {
  return (steps.findLast(([from]) => value >= from) ?? steps[0]!)[1];
}

/** Message key of an intensity in words. */
export function intensityWord(intensity: number): string {
  if (!Number.isFinite(intensity)) return "intensity.unknown";
  const level = Math.round(intensity);
  if (level < 2) return "intensity.not_felt";
  if (level < 3) return "intensity.weak";
  if (level < 5) return "intensity.light";
  if (level < 6) return "intensity.moderate";
  if (level < 7) return "intensity.strong";
  if (level < 8) return "intensity.very_strong";
  if (level < 9) return "intensity.severe";
  return "intensity.violent";
}

/** Intensity as people write it: a Roman numeral. */
export function roman(intensity: number): string {
  const numerals = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
  const level = Math.min(12, Math.max(1, Math.round(intensity)));
  return Number.isFinite(intensity) ? numerals[level - 1]! : "–";
}
