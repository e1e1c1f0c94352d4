// Waveforms of the stations that picked, and of the nearest ones always, as they come.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { byId, make } from "./dom";
import { distanceKm, estimate } from "./geo";
import type { EventVersion, Place } from "./types";

const KEPT_S = 60;
/** All traces show the same last seconds, so that a wave is seen to run from one to the next. */
const SHOWN_S = 40;
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
    const width = Math.max(120, this.element.clientWidth - 16);
    trace.plot ??= new uPlot(
      {
        width,
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { show: false },
        axes: [{ stroke: ink, size: 24, font: "10px system-ui" }, { show: false }],
        scales: { x: { time: true, range: () => [this.nowS - SHOWN_S, this.nowS] } },
        series: [{}, { stroke: ink, width: 1, points: { show: false } }],
        hooks: { draw: [(plot) => this.marks(plot, trace)] },
      },
      [[], []],
      trace.row!,
    );
    if (trace.plot.width !== width) trace.plot.setSize({ width, height: HEIGHT_PX });
    this.arrivals = event;
    trace.plot.setData([trace.times, trace.samples]);
  }

  private arrivals: EventVersion | undefined;

  /** Picks, and the P and S arrivals that the event foresees at the station. */
  private marks(plot: uPlot, trace: Trace): void {
    const style = getComputedStyle(document.documentElement);
    const line = (timeS: number, colour: string, label: string) => {
      const x = plot.valToPos(timeS, "x", true);
      if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) return;
      plot.ctx.strokeStyle = plot.ctx.fillStyle = style.getPropertyValue(colour).trim();
      plot.ctx.beginPath();
      plot.ctx.moveTo(x, plot.bbox.top);
      plot.ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
      plot.ctx.stroke();
      plot.ctx.fillText(label, x + 3, plot.bbox.top + 10);
    };
    for (const time of trace.picksS) line(time, "--epicentre", "pick");
    const where = this.placeOf(trace.seedId);
    const event = this.arrivals;
    if (!event?.profile || !where) return;
    const found = estimate(event.origin, event.profile, where);
    line(found.pArrivalUs / 1e6, "--p-wave", "P");
    line(found.sArrivalUs / 1e6, "--s-wave", "S");
  }
}
