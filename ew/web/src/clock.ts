// The service's clock, learnt from its heartbeats, so that a wrong clock of the viewer's machine
// does not shift a countdown. During playback the clock shows the past event's time instead.

/** Weight of a heartbeat that seems to have taken longer than the quickest one. */
const LATE_WEIGHT = 0.02;

export class ServiceClock {
  private offsetUs: number | null = null;
  private shownUs: number | null = null;

  constructor(private readonly localUs: () => number = () => Date.now() * 1000) {}

  /** Learns from a heartbeat that carried `timeUs` and has just arrived. */
  hear(timeUs: number): void {
    const offset = timeUs - this.localUs();
    if (this.offsetUs === null || offset > this.offsetUs || this.offsetUs - offset > 2e6) {
      // A larger offset means a quicker message; a jump of seconds means that a clock was set.
      this.offsetUs = offset;
    } else {
      this.offsetUs += LATE_WEIGHT * (offset - this.offsetUs);
    }
  }

  /** Whether a heartbeat has been heard. */
  get isSet(): boolean {
    return this.offsetUs !== null;
  }

  /** The service's time now, whatever the page shows. */
  liveUs(): number {
    return this.localUs() + (this.offsetUs ?? 0);
  }

  /** The time the page shows: now, or the moment chosen in a playback. */
  nowUs(): number {
    return this.shownUs ?? this.liveUs();
  }

  /** Shows a past moment; `null` goes back to now. */
  show(timeUs: number | null): void {
    this.shownUs = timeUs;
  }

  get isPlayback(): boolean {
    return this.shownUs !== null;
  }
}
