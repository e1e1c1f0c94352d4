// Sound, speech and vibration: one alarm an event, near and far told apart.

import { Sounded } from "./earthquakes";
import { currentLanguage } from "./i18n";
import type { Origin } from "./types";

/** Fewer seconds than this to S: the urgent sound. */
const NEAR_S = 10;
/** From this intensity on an event sounds. */
export const SOUND_FROM = 3.0;
/** Where S passed longer ago than this nothing sounds any more, s. */
const TOO_LATE_S = 30;

export class Alarm {
  isSoundOn = localStorage.getItem("ew.sound") === "on";
  isSpeechOn = localStorage.getItem("ew.speech") === "on";
  private context: AudioContext | null = null;
  private readonly sounded = new Sounded();
  private spoken = "";

  setSound(isOn: boolean): void {
    this.isSoundOn = isOn;
    localStorage.setItem("ew.sound", isOn ? "on" : "off");
    // A browser lets a page sound only after a click: this is one
    if (isOn) void this.audio().resume();
  }

  setSpeech(isOn: boolean): void {
    this.isSpeechOn = isOn;
    localStorage.setItem("ew.speech", isOn ? "on" : "off");
  }

  /** Sounds once for an earthquake at a place; whether it did. */
  ring(eventId: string, origin: Origin, intensity: number, secondsLeft: number): boolean {
    const isStrong = intensity >= SOUND_FROM && secondsLeft > -TOO_LATE_S;
    if (!this.sounded.take(eventId, origin, isStrong)) return false;
    const isNear = secondsLeft < NEAR_S;
    navigator.vibrate?.(isNear ? [400, 100, 400, 100, 800] : [200, 200, 200]);
    if (this.isSoundOn) this.beep(isNear);
    return true;
  }

  /** Speaks a text once, if speech is wanted. */
  speak(words: string): void {
    if (!this.isSpeechOn || words === this.spoken || !("speechSynthesis" in window)) return;
    this.spoken = words;
    const utterance = new SpeechSynthesisUtterance(words);
    utterance.lang = currentLanguage() === "zh" ? "zh-CN" : currentLanguage();
    utterance.rate = 1.3;
    speechSynthesis.cancel();
    speechSynthesis.speak(utterance);
  }

  private audio(): AudioContext {
    this.context ??= new AudioContext();
    return this.context;
  }

  private beep(isNear: boolean): void {
    const audio = this.audio();
    const tones = isNear ? [880, 1175, 880, 1175, 880, 1175] : [587, 784, 587];
    const length = isNear ? 0.18 : 0.35;
    tones.forEach((frequency, index) => {
      const tone = audio.createOscillator();
      const loudness = audio.createGain();
      const from = audio.currentTime + index * length;
      tone.frequency.value = frequency;
      tone.type = isNear ? "square" : "sine";
      loudness.gain.setValueAtTime(isNear ? 0.35 : 0.25, from);
      loudness.gain.exponentialRampToValueAtTime(0.001, from + length);
      tone.connect(loudness).connect(audio.destination);
      tone.start(from);
      tone.stop(from + length);
    });
  }
}
