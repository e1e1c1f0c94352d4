// Waveforms of the stations that picked, and of the nearest ones always, as they come.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { byId, make } from "./dom";
import { distanceKm, estimate } from "./geo";
import { mapFont, mapScale } from "./map/layer";
import type { EventVersion, Place } from "./types";

const KEPT_S = 60;
/** All traces show the same last seconds, so that a wave is seen to run from one to the next. */
const SHOWN_S = 30;
const BEFORE_S = 3;
const MOST_TRACES = 6;
const HEIGHT_PX = 74;

type Trace = {
  seedId: string;
  times: number[];
  samples: number[];
  picksS: number[];
  plot: uPlot | null;
  row: HTMLElement | null;
};

export class Waveforms {
  private readonly traces = new Map<string, Trace>();
  private readonly element = byId("waveforms");
  private shown: string[] = [];
  private nowS = 0;
  private fromS = 0;

  constructor(private readonly placeOf: (seedId: string) => Place | undefined) {}

  take(seedId: string, startUs: number, rate: number, samples: readonly number[]): void {
    const trace = this.trace(seedId);
    samples.forEach((sample, index) => {
      trace.times.push(startUs / 1e6 + index / rate);
      trace.samples.push(sample);
    });
    const last = trace.times.at(-1) ?? 0;
    const old = trace.times.findIndex((time) => time >= last - KEPT_S);
    if (old > 0) {
      trace.times.splice(0, old);
      trace.samples.splice(0, old);
    }
  }

  pick(seedId: string, timeS: number): void {
    const trace = this.trace(seedId);
    trace.picksS = [...trace.picksS.filter((one) => timeS - one < 2 * KEPT_S), timeS];
  }

  /** Shows the traces that matter now: those that picked last, then the nearest to a place. */
  draw(event: EventVersion | undefined, place: Place | null): void {
    this.nowS = Math.max(...[...this.traces.values()].map((trace) => trace.times.at(-1) ?? 0));
    // From before the origin on, while it goes on
    const originS = event ? event.origin.time_us / 1e6 - BEFORE_S : Infinity;
    this.fromS = Math.max(this.nowS - KEPT_S, Math.min(this.nowS - SHOWN_S, originS));
    const around = event?.origin ?? place;
    const rank = (trace: Trace): number => {
      const where = this.placeOf(trace.seedId);
      const distance = around && where ? distanceKm(around, where) : 1e4;
      return distance - (trace.picksS.length > 0 ? 1e5 : 0);
    };
    const chosen = [...this.traces.values()]
      .filter((trace) => trace.times.length > 1)
      .sort((a, b) => rank(a) - rank(b))
      .slice(0, MOST_TRACES);
    byId("waveforms-none").hidden = chosen.length > 0;
    const names = chosen.map((trace) => trace.seedId);
    if (names.join() !== this.shown.join()) this.layOut(chosen);
    this.shown = names;
    for (const trace of chosen) this.update(trace, event);
  }

  private trace(seedId: string): Trace {
    let trace = this.traces.get(seedId);
    if (!trace) {
      trace = { seedId, times: [], samples: [], picksS: [], plot: null, row: null };
      this.traces.set(seedId, trace);
    }
    return trace;
  }

  private layOut(chosen: readonly Trace[]): void {
    for (const trace of this.traces.values()) {
      if (chosen.includes(trace)) continue;
      trace.plot?.destroy();
      trace.plot = trace.row = null;
    }
    for (const trace of chosen) {
      trace.row ??= make("figure", { class: "trace" }, make("figcaption", {}, trace.seedId));
    }
    this.element.replaceChildren(...chosen.map((trace) => trace.row!));
  }

  private update(trace: Trace, event: EventVersion | undefined): void {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink").trim();
    const scale = mapScale();
    const height = Math.round(HEIGHT_PX * scale);
    const width = Math.max(120, (trace.row?.clientWidth ?? this.element.clientWidth) - 4);
    trace.plot ??= new uPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { show: false },
        axes: [
          {
            stroke: ink,
            size: 22 * scale,
            font: mapFont(10, "400"),
            ticks: { show: false },
            grid: { width: 0.3 },
            values: (_, times) => times.map((time) => new Date(time * 1000).toISOString().slice(14, 19)),
          },
          { show: false },
        ],
        scales: { x: { time: true, range: () => [this.fromS, this.nowS] } },
        series: [{}, { stroke: ink, width: 1, points: { show: false } }],
        hooks: { draw: [(plot) => this.marks(plot, trace)] },
      },
      [[], []],
      trace.row!,
    );
    if (trace.plot.width !== width) trace.plot.setSize({ width, height });
    this.arrivals = event;
    trace.plot.setData([trace.times, trace.samples]);
  }

  private arrivals: EventVersion | undefined;

  /** Picks, and the P and S arrivals that the event foresees at the station. */
  private marks(plot: uPlot, trace: Trace): void {
    const style = getComputedStyle(document.documentElement);
    const line = (timeS: number, colour: string, label: string, side: CanvasTextAlign) => {
      const x = plot.valToPos(timeS, "x", true);
      if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) return;
      plot.ctx.strokeStyle = plot.ctx.fillStyle = style.getPropertyValue(colour).trim();
      plot.ctx.beginPath();
      plot.ctx.moveTo(x, plot.bbox.top);
      plot.ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
      plot.ctx.stroke();
      plot.ctx.font = mapFont(11, "600");
      plot.ctx.textAlign = side;
      plot.ctx.fillText(label, side === "left" ? x + 3 : x - 3, plot.bbox.top + 10 * mapScale());
    };
    for (const time of trace.picksS) {
      const x = plot.valToPos(time, "x", true);
      if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
      const [y, r] = [plot.bbox.top + plot.bbox.height, 6 * mapScale()];
      plot.ctx.fillStyle = style.getPropertyValue("--epicentre").trim();
      plot.ctx.beginPath();
      plot.ctx.moveTo(x, y - r);
      plot.ctx.lineTo(x + r, y + r);
      plot.ctx.lineTo(x - r, y + r);
      plot.ctx.fill();
    }
    const where = this.placeOf(trace.seedId);
    const event = this.arrivals;
    if (!event?.profile || !where) return;
    const found = estimate(event.origin, event.profile, where);
    line(found.pArrivalUs / 1e6, "--p-wave", "P", "right");
    line(found.sArrivalUs / 1e6, "--s-wave", "S", "left");
  }
}
