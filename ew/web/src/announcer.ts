// What a screen reader says of a countdown: a sentence when it begins, then a few numbers and words.
// Each second would be noise, and cut off what is being said.

import { setText } from "./dom";
import { text } from "./i18n";

/** The opening sentence takes so long to say, s; only the last seconds break in on it. */
const OPENING_S = 6;
const LAST_S = 3;

/** Whether a number of seconds is said on the way down. */
export function isSaid(seconds: number): boolean {
  return seconds <= 5 || seconds === 10 || seconds % 15 === 0;
}

export class Announcer {
  private eventId = "";
  private openedAt = 0;

  /** `said` hears each text as well, for those who want it spoken. */
  constructor(
    private readonly element: Element,
    private readonly said: (words: string) => void = () => undefined,
  ) {}

  /** A countdown stands at whole seconds; `opening` is said when its event is new. */
  counting(eventId: string, seconds: number, opening: () => string): void {
    if (eventId !== this.eventId) {
      this.eventId = eventId;
      this.openedAt = seconds;
      this.say(opening());
    } else if (isSaid(seconds) && (seconds <= LAST_S || seconds <= this.openedAt - OPENING_S)) {
      this.say(text("countdown.spoken", { seconds }));
    }
  }

  /** A word in the countdown's place; an empty one when nothing goes on. */
  word(words: string): void {
    this.eventId = words === "" ? "" : this.eventId;
    this.say(words);
  }

  private say(words: string): void {
    if (this.element.textContent === words) return;
    setText(this.element, words);
    if (words !== "") this.said(words);
  }
}
