// /phone and /tv: real devices in a browser. They take alerts from the broker by MQTT over WebSocket,
// check each signature, and count down to their own S-wave.

import { latLngToCell } from "h3-js";
import mqtt from "mqtt";
import { Alarm } from "../alarm";
import { Announcer } from "../announcer";
import { HeartbeatOrder, ServiceClock } from "../clock";
import { intensityWord, roman } from "../colours";
import { byId, byTestId, setText } from "../dom";
import { parsePlace } from "../geo";
import * as i18n from "../i18n";
import { text } from "../i18n";
import type { Place, Status } from "../types";
import { type Alert, ALERT_MOST_BYTES, readAlert } from "./alert";
import { DeviceMachine } from "./machine";
import { type DeviceSettings, loadSettings, travelTimes } from "./settings";
import { MessageError, micros, parseObject, publicKeyFromPem, Trust } from "./trust";

const RESOLUTION = 5;
const SERIAL_KEPT = "ew.device.serial";
const WAITING_MOST = 32;
const TEXT_EVERY_MS = 50;
/** Whoever saw a countdown is told so long that it was taken back. */
const CANCEL_SHOWN_US = 20e6;

type Kind = "phone" | "tv";

class DevicePage {
  private readonly clock = new ServiceClock();
  private readonly heartbeats = new HeartbeatOrder();
  private readonly alarm = new Alarm();
  private readonly trust: Trust;
  private machine: DeviceMachine;
  private client: mqtt.MqttClient | null = null;
  private alertTopic = "";
  private refused = 0;
  private cancelledUntilUs = 0;
  private readonly announcer = new Announcer(byId("spoken"));
  private mode: Status | null = null;
  /** What came before there were keys or a service's time to check it with. */
  private waiting: { topic: string; payload: Uint8Array }[] = [];
  /** Messages are checked one after another, in the order in which they came. */
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly kind: Kind,
    place: Place,
    private readonly settings: DeviceSettings,
  ) {
    this.trust = new Trust(
      settings.roots.map(publicKeyFromPem),
      Number(localStorage.getItem(SERIAL_KEPT) ?? 0),
    );
    this.machine = this.machineAt(place);
  }

  start(): void {
    setText(byId("state"), text("device.connecting"));
    const url = new URL(this.settings.mqtt_url, document.baseURI);
    if (url.protocol.startsWith("http")) url.protocol = url.protocol.replace("http", "ws");
    this.client = mqtt.connect(url.href, {
      protocolVersion: 5,
      clean: true,
      clientId: `web-${crypto.getRandomValues(new Uint32Array(2)).join("")}`,
      keepalive: 15,
      reconnectPeriod: 1000,
    });
    this.client.on("connect", () => void this.subscribe());
    this.client.on("close", () => byId("state").replaceChildren(text("device.offline")));
    this.client.on("message", (topic, payload) => {
      this.work = this.work.then(() => this.take(topic, new Uint8Array(payload)));
    });
    setInterval(() => this.show(), TEXT_EVERY_MS);
    this.keepAwake();
  }

  moveTo(place: Place): void {
    const before = this.alertTopic;
    this.machine = this.machineAt(place);
    if (before && before !== this.topicOf()) void this.subscribe();
  }

  private machineAt(place: Place): DeviceMachine {
    const cell = latLngToCell(place.latitude, place.longitude, RESOLUTION);
    return new DeviceMachine(place, { cell }, travelTimes(this.settings.travel_times));
  }

  private topicOf(): string {
    const { address } = this.machine;
    return "cell" in address
      ? `ew/v1/alert/cell/${address.cell}`
      : `ew/v1/alert/device/${address.device}`;
  }

  private async subscribe(): Promise<void> {
    if (!this.client) return;
    // Keys first, so that a retained alert finds them
    await this.client.subscribeAsync({ "ew/v1/keys": { qos: 1 }, "ew/v1/heartbeat": { qos: 0 } });
    const topic = this.topicOf();
    await this.client.subscribeAsync(topic, { qos: 1 });
    if (this.alertTopic && this.alertTopic !== topic) {
      await this.client.unsubscribeAsync(this.alertTopic);
    }
    this.alertTopic = topic;
    setText(byId("state"), text("device.waiting"));
  }

  private async take(topic: string, payload: Uint8Array): Promise<void> {
    try {
      if (topic === "ew/v1/keys") {
        const before = this.trust.serial;
        await this.trust.takeDocument(payload);
        if (this.trust.serial > before) this.heartbeats.forget();
        localStorage.setItem(SERIAL_KEPT, String(this.trust.serial));
        await this.takeWaiting();
      } else if (topic === "ew/v1/heartbeat") {
        // The key has to be valid at the time the heartbeat tells: the clock is learnt from it
        const timeUs = micros(parseObject(payload)["time_us"], "time_us");
        const body = await this.trust.open(payload, timeUs);
        const order = this.heartbeats.judge(timeUs);
        if (order === "old") throw new MessageError("an old heartbeat");
        if (order === "known") return;
        this.clock.hear(timeUs);
        this.mode = body["mode"] as Status;
        await this.takeWaiting();
      } else if (payload.length > 0) {
        await this.takeAlert(topic, payload);
      }
    } catch (error) {
      if (!(error instanceof MessageError)) throw error;
      const isUnsure = !this.clock.isSet || !this.trust.hasKeys;
      if (isUnsure && topic !== "ew/v1/heartbeat" && this.waiting.length < WAITING_MOST) {
        // Keys or time may only be on their way: look at it again when they are here
        this.waiting.push({ topic, payload });
        return;
      }
      this.refused += 1;
      document.body.dataset["refused"] = String(this.refused);
    }
  }

  private async takeWaiting(): Promise<void> {
    const waiting = this.waiting;
    this.waiting = [];
    for (const { topic, payload } of waiting) await this.take(topic, payload);
  }

  private async takeAlert(topic: string, payload: Uint8Array): Promise<void> {
    if (payload.length > ALERT_MOST_BYTES) throw new MessageError("alert is longer than 1 KiB");
    if (!topic.startsWith(this.topicOf())) throw new MessageError("for another cell");
    const nowUs = this.clock.liveUs();
    const alert: Alert = readAlert(await this.trust.open(payload, nowUs));
    const reaction = this.machine.hear(alert, Math.max(nowUs, alert.issuedUs));
    if (reaction && alert.kind === "cancel") this.cancelledUntilUs = nowUs + CANCEL_SHOWN_US;
    if (reaction?.sounds) {
      const left = (reaction.sArrivalUs - nowUs) / 1e6;
      this.alarm.ring(alert.eventId, alert.origin, alert.intensity, left);
      this.alarm.speak(this.headline(alert));
    }
  }

  private headline(alert: Alert): string {
    return alert.headline[i18n.currentLanguage()] ?? alert.headline["en"] ?? "";
  }

  private show(): void {
    const nowUs = this.clock.liveUs();
    const current = this.machine.current(nowUs);
    const screen = byId("device");
    const mode = byTestId("mode");
    const status = current?.alert.status ?? this.mode;
    const isReal = status === null || status === "actual";
    mode.hidden = isReal;
    setText(mode, isReal ? "" : text(`mode.${status}`));
    document.body.dataset["mode"] = status ?? "";
    setText(byId("refused"), this.refused > 0 ? text("device.refused", { count: this.refused }) : "");
    setText(byTestId("health"), this.client?.connected ? "ok" : text("device.offline"));
    if (!current) {
      const isCancelled = nowUs < this.cancelledUntilUs;
      const words = text(isCancelled ? "countdown.cancelled" : "countdown.quiet");
      screen.dataset["level"] = "silent";
      setText(byTestId("countdown"), words);
      byTestId("countdown").dataset["state"] = isCancelled ? "cancelled" : "none";
      this.announcer.word(isCancelled ? words : "");
      setText(byTestId("intensity"), "");
      setText(byId("headline"), "");
      byId("event").replaceChildren();
      return;
    }
    const { alert, level, state, secondsLeft } = current;
    screen.dataset["level"] = state === "all-clear" ? "silent" : level;
    const states = { countdown: "counting", shaking: "shaking", "all-clear": "over", idle: "none" };
    byTestId("countdown").dataset["state"] = states[state];
    const countdown = deviceCountdown(state, secondsLeft);
    setText(byTestId("countdown"), countdown);
    // The headline opens: it is announced as the event comes
    if (state === "countdown") {
      this.announcer.counting(alert.eventId, Math.ceil(secondsLeft), () =>
        text("countdown.spoken", { seconds: countdown }),
      );
    } else this.announcer.word(countdown);
    setText(
      byTestId("intensity"),
      `${roman(alert.intensity)} · ${text(intensityWord(alert.intensity))}`,
    );
    setText(byId("headline"), state === "all-clear" ? text("countdown.over") : this.headline(alert));
    const magnitude = alert.origin.magnitude?.toFixed(1) ?? "";
    const event = byId("event");
    if (event.dataset["key"] !== `${alert.eventId}.${alert.version}`) {
      event.dataset["key"] = `${alert.eventId}.${alert.version}`;
      event.dataset["testid"] = "event";
      event.dataset["eventId"] = alert.eventId;
      event.dataset["version"] = String(alert.version);
      event.dataset["magnitude"] = magnitude;
      setText(event, `M ${magnitude}`);
    }
  }

  /** A sleeping screen warns nobody; where the browser can, it stays on. */
  private keepAwake(): void {
    const ask = async () => {
      try {
        await navigator.wakeLock?.request("screen");
      } catch (error) {
        // Refused while the page is hidden or the battery low: asked again when it is seen
        if (!(error instanceof DOMException)) throw error;
      }
    };
    void ask();
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void ask();
    });
  }

  setUp(): void {
    document.body.dataset["kind"] = this.kind;
    setText(byId("kind"), text(`device.${this.kind}`));
    byId("start").addEventListener("click", () => {
      this.alarm.setSound(true);
      this.alarm.setSpeech(true);
      byId("start").hidden = true;
    });
    byId("locate").addEventListener("click", () => {
      navigator.geolocation?.getCurrentPosition(({ coords }) => this.choose(coords));
    });
  }

  private choose(place: Place): void {
    localStorage.setItem("ew.place", `${place.latitude},${place.longitude}`);
    this.moveTo({ latitude: place.latitude, longitude: place.longitude });
  }
}

function deviceCountdown(state: string, secondsLeft: number): string {
  if (state === "countdown") return String(Math.ceil(secondsLeft));
  if (secondsLeft > -0.5) return "0";
  return text(state === "shaking" ? "countdown.shaking" : "countdown.over");
}

function located(): Promise<Place | null> {
  return new Promise((resolve) => {
    if (!navigator.geolocation) return resolve(null);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve({ latitude: coords.latitude, longitude: coords.longitude }),
      () => resolve(null),
      { timeout: 10_000 },
    );
  });
}

const parameters = new URLSearchParams(location.search);
await i18n.chooseLanguage(parameters.get("lang"));
i18n.translate(document);
const kind: Kind = location.pathname.endsWith("/tv") ? "tv" : "phone";
const place =
  parsePlace(parameters.get("place")) ??
  parsePlace(localStorage.getItem("ew.place")) ??
  (await located());
const settings = await loadSettings();
if (!settings) {
  setText(byId("state"), text("device.offline"));
} else if (!place) {
  setText(byId("state"), text("place.none"));
  byId("locate").addEventListener("click", () => location.reload());
} else {
  const page = new DevicePage(kind, place, settings);
  page.setUp();
  page.start();
}
if ("serviceWorker" in navigator) void navigator.serviceWorker.register("worker.js");
