// The service's clock, learnt from its heartbeats, so that a wrong clock of the viewer's machine
// does not shift a countdown. During playback the clock shows the past event's time instead.

/** Weight of a heartbeat that seems to have taken longer than the quickest one. */
const LATE_WEIGHT = 0.02;
const STEP_US = 2e6;
/**
 * The clock is set back only when nothing but earlier times has been told for so long: one heartbeat
 * replayed by a stranger, or many beside the service's own, must not make an old alert new again.
 */
const BEHIND_US = 5e6;

export class ServiceClock {
  private offsetUs: number | null = null;
  private behindSinceUs: number | null = null;
  private shownUs: number | null = null;

  constructor(private readonly localUs: () => number = () => Date.now() * 1000) {}

  /** Learns from a heartbeat that carried `timeUs` and has just arrived. */
  hear(timeUs: number): void {
    const localUs = this.localUs();
    const offset = timeUs - localUs;
    if (this.offsetUs === null || offset > this.offsetUs) {
      this.offsetUs = offset; // a larger offset means a quicker message, or a clock that was set
    } else if (this.offsetUs - offset <= STEP_US) {
      this.offsetUs += LATE_WEIGHT * (offset - this.offsetUs);
    } else {
      this.behindSinceUs ??= localUs;
      if (localUs - this.behindSinceUs < BEHIND_US) return;
      this.offsetUs = offset;
    }
    this.behindSinceUs = null;
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
