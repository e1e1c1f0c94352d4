// The marks of stations and epicentres: states differ by form as well as by colour.

import type { StationState } from "../types";

export const COLOUR_OF_STATE: Record<StationState, StationColour> = {
  live: "live",
  picked: "picked",
  late: "late",
  backlog: "late",
  silent: "silent",
  refused: "silent",
  suspect: "suspect",
  future: "suspect",
  unknown: "unknown",
};
type StationColour = "live" | "late" | "silent" | "suspect" | "picked" | "unknown";

export type Mark = "dot" | "ring" | "cross" | "diamond";
export const MARK_OF_STATE: Record<StationState, Mark> = {
  live: "dot",
  picked: "dot",
  late: "ring",
  backlog: "ring",
  silent: "cross",
  refused: "cross",
  suspect: "diamond",
  future: "diamond",
  unknown: "dot",
};
export const MARKS: Record<Mark, (pen: CanvasRenderingContext2D, x: number, y: number, r: number) => void> = {
  dot: (pen, x, y, r) => {
    pen.moveTo(x + r, y);
    pen.arc(x, y, r, 0, 7);
  },
  ring: (pen, x, y, r) => {
    pen.moveTo(x + r, y);
    pen.arc(x, y, r, 0, 7);
  },
  cross: (pen, x, y, r) => {
    pen.moveTo(x - r, y - r);
    pen.lineTo(x + r, y + r);
    pen.moveTo(x - r, y + r);
    pen.lineTo(x + r, y - r);
  },
  diamond: (pen, x, y, r) => {
    pen.moveTo(x, y - r - 1);
    pen.lineTo(x + r + 1, y);
    pen.lineTo(x, y + r + 1);
    pen.lineTo(x - r - 1, y);
    pen.closePath();
  },
};

export function star(pen: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  pen.beginPath();
  for (let point = 0; point < 10; point++) {
    const radius = point % 2 === 0 ? size : size * 0.42;
    const angle = (point * Math.PI) / 5 - Math.PI / 2;
    pen.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  pen.closePath();
}
