// The service's clock, learnt from its heartbeats, so that a wrong clock of the viewer's machine
// does not shift a countdown. During playback the clock shows the past event's time instead.

/** Weight of a heartbeat that seems to have taken longer than the quickest one. */
const LATE_WEIGHT = 0.02;
const STEP_US = 2e6;
/** Heartbeats may be held up: only when they have been late for so long is the clock set back to them. */
const BEHIND_US = 5e6;
/** A heartbeat this much older than the newest one is a replay. */
const OLD_US = 10e6;

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

/**
 * Which of the heartbeats with a right signature are news. A replayed one must not set a device's clock
 * back, or it would make an old alert new again.
 */
export class HeartbeatOrder {
  private newestUs = 0;

  /** `old`: a replay; `known`: no later than what was told before, by a second service beside it. */
  judge(timeUs: number): "new" | "known" | "old" {
    if (timeUs > this.newestUs) {
      this.newestUs = timeUs;
      return "new";
    }
    return timeUs < this.newestUs - OLD_US ? "old" : "known";
  }

  /** A newer document of keys has come: a service whose clock was ahead has the time learnt anew by it. */
  forget(): void {
    this.newestUs = 0;
  }
}
