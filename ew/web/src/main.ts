// The page people look at: what is happening, where, and how many seconds are left for me.

import { Alarm } from "./alarm";
import { ServiceClock } from "./clock";
import { byId, byTestId, make, setText } from "./dom";
import { EventStore, isUnderWay, mostUrgent, viewAt } from "./events";
import { around, distanceKm, parsePlace } from "./geo";
import { HealthPanel } from "./health";
import * as i18n from "./i18n";
import { text } from "./i18n";
import { showLegend } from "./legend";
import * as live from "./live";
import { type Station, stationCode, stationsOf, takeStates } from "./map/live";
import { EventMap } from "./map/map";
import { PastEvents } from "./past";
import { PlacePanel } from "./place";
import { type CityRow, cityRows, showDevices } from "./tables";
import type { EventVersion, LiveMessage, NamedPlace, Place, Status } from "./types";
import { Waveforms } from "./waveforms";
import { whereIs } from "./where";

/** Texts are brought up to date this often; the countdown must not lag by a tenth, ms. */
const TEXT_EVERY_MS = 50;
const WAVEFORMS_EVERY_MS = 500;
const HEALTH_EVERY_MS = 5000;
/** Whoever saw a countdown is told so long that it was taken back. */
const CANCEL_SHOWN_US = 20e6;
/** The map turns to so much of the alerted region, and to a place no farther off than this, km. */
const MOST_TURNED_KM = 250;
const NEAR_ENOUGH_KM = 600;

class Page {
  private readonly clock = new ServiceClock();
  private readonly store = new EventStore();
  private readonly alarm = new Alarm();
  private readonly health = new HealthPanel();
  private readonly map: EventMap;
  private readonly place: PlacePanel;
  private readonly past: PastEvents;
  private readonly waveforms: Waveforms;
  private stations = new Map<string, Station>();
  /** When each station picked last, us: picks may come before the stations. */
  private readonly picked = new Map<string, number>();
  private cities: CityRow[] = [];
  private textMs = 0;
  /** Whether devices are counted by kind, as in a demo; a service counts what its broker took. */
  private hasCounts = false;
  private waveformsMs = 0;
  private readonly stillness = matchMedia("(prefers-reduced-motion: reduce)");
  private drawnS = 0;
  private cancelledUntilUs = 0;
  /** Places in words: an epicentre is asked for many times a second. */
  private readonly words = new Map<string, string>();
  /** The events that the map has been turned to. */
  private readonly shownOnMap = new Set<string>();

  constructor() {
    this.map = new EventMap(byTestId("map"), (place) => this.place.set({ ...place, name: "" }));
    this.place = new PlacePanel(
      () => this.map.base.cities,
      () => (this.textMs = 0),
      (words) => {
        if (!this.clock.isPlayback) this.alarm.speak(words);
      },
    );
    this.past = new PastEvents(this.store, this.clock, (eventId) => this.loadVersions(eventId), (place) => this.where(place));
    this.waveforms = new Waveforms((seedId) => this.stations.get(stationCode(seedId)));
  }

  async start(): Promise<void> {
    const settings = live.pageSettings();
    const shapes = this.map.base.load(settings);
    this.settings();
    showDevices({});
    const asked = new URLSearchParams(location.search).get("place");
    const place = parsePlace(asked) ?? parsePlace(localStorage.getItem("ew.place"));
    if (place) this.place.set({ ...place, name: "" });
    this.health.say(text("health.connecting"));
    live.listen(
      (message) => this.take(message),
      (state) => {
        if (state === "lost") this.health.say(text("health.lost"));
        if (state === "open") void this.catchUp();
      },
    );
    requestAnimationFrame(() => this.frame());
    setInterval(() => void this.askHealth(), HEALTH_EVERY_MS);
    const named = await settings;
    setText(byId("attribution"), named?.tiles ? named.attribution : "");
    await shapes;
    this.place.citiesCame();
    this.textMs = 0;
  }

  /** What happened before the page was opened, or while it was cut off. */
  private async catchUp(): Promise<void> {
    const [channels, events] = await Promise.all([live.stations(), live.events()]);
    const before = this.stations.size;
    this.stations = stationsOf(channels);
    for (const [code, timeUs] of this.picked) {
      const station = this.stations.get(code);
      if (station) station.pickedUs = timeUs;
    }
    if (before === 0) this.map.fit([...this.stations.values()]);
    for (const version of events) {
      await this.addWithProfile(version);
      if (isUnderWay(version, this.clock.liveUs())) void this.loadVersions(version.event_id);
    }
    const shown = this.store.underWay(this.clock.liveUs())[0];
    if (shown) {
      await this.loadVersions(shown.event_id);
      this.showSent(shown.event_id);
    }
    await this.askHealth();
  }

  /** What a service sent of an event: most went out with one version, updates go to few. */
  private showSent(eventId: string): void {
    if (this.hasCounts) return;
    const most = this.store
      .versions(eventId)
      .map((version) => version.latency)
      .reduce((a, b) => ((b?.alerts ?? 0) > (a?.alerts ?? 0) ? b : a), undefined);
    if (!most?.alerts) return;
    const alerted = Number(most["acknowledged"] ?? 0);
    showDevices({ [text("devices.topics")]: { alerted, expected: most.alerts } });
  }

  private async loadVersions(eventId: string): Promise<void> {
    for (const version of await live.versions(eventId)) await this.addWithProfile(version);
  }

  private async addWithProfile(version: EventVersion): Promise<boolean> {
    // An exercise is marked from its first moment, also before a heartbeat tells the mode
    if (!document.body.dataset["mode"]) this.showMode(version.status);
    const profile = version.profile ?? (await live.profileOf(version));
    return this.store.add(profile ? { ...version, profile } : version);
  }

  private async askHealth(): Promise<void> {
    const status = await live.health();
    if (!status) return;
    this.showMode(status.mode);
    takeStates(this.stations, status);
    this.health.show(status, this.stations.values());
  }

  private take(message: LiveMessage): void {
    switch (message.type) {
      case "heartbeat":
        this.clock.hear(message.time_us);
        this.health.say(message.health);
        this.showMode(message.mode);
        break;
      case "event":
        void this.takeEvent(message);
        break;
      case "pick": {
        const code = stationCode(message.seed_id);
        const station = this.stations.get(code);
        const timeUs = Date.parse(message.time) * 1000;
        this.picked.set(code, timeUs);
        if (station) station.pickedUs = timeUs;
        this.waveforms.pick(message.seed_id, timeUs / 1e6);
        break;
      }
      case "motion":
        for (const [code, intensity] of Object.entries(message.stations)) {
          const station = this.stations.get(code);
          if (station) Object.assign(station, { intensity, movedUs: message.time_us });
        }
        break;
      case "waveform":
        this.waveforms.take(message.seed_id, message.start_us, message.rate, message.samples);
        break;
      case "devices":
        this.hasCounts = true;
        showDevices(message.kinds);
        break;
      case "latency":
        this.store.addLatency(message.event_id, message.version, message);
        this.showSent(message.event_id);
        break;
      case "status":
        takeStates(this.stations, message);
        this.health.show(message, this.stations.values());
        break;
    }
  }

  private async takeEvent(message: EventVersion): Promise<void> {
    if (!(await this.addWithProfile(message))) return;
    const version = this.store.newest(message.event_id) ?? message;
    const nowUs = this.clock.liveUs();
    if (message.kind === "cancel") this.cancelledUntilUs = nowUs + CANCEL_SHOWN_US;
    if (!isUnderWay(version, nowUs)) return;
    // A real event ends a playback: nobody should look at the past now
    if (this.clock.isPlayback) this.past.goLive();
    const view = viewAt(version, version, this.place.place, nowUs);
    if (view.estimate) {
      const { intensity } = view.estimate;
      this.alarm.ring(version.event_id, version.origin, intensity, view.secondsLeft);
    }
  }

  private frame(): void {
    requestAnimationFrame(() => this.frame());
    this.past.advance();
    const nowUs = this.clock.nowUs();
    const events = this.shownEvents(nowUs);
    const now = performance.now();
    if (now - this.textMs >= TEXT_EVERY_MS) {
      this.textMs = now;
      this.showTexts(events, nowUs);
    }
    if (now - this.waveformsMs >= WAVEFORMS_EVERY_MS) {
      this.waveformsMs = now;
      this.waveforms.draw(events[0], this.place.place);
    }
    // Reduced motion: the fronts move once a second instead of gliding
    const second = Math.floor(nowUs / 1e6);
    this.turnTo(events);
    const isMoving = events.length > 0 && !this.stillness.matches;
    if (isMoving || second !== this.drawnS || this.map.needsDrawing) {
      this.drawnS = second;
      this.map.draw(
        {
          nowUs,
          stations: this.stations.values(),
          events: events.map((one) => this.versionsUntil(one.event_id, nowUs)),
          place: this.place.place,
          cities: this.cities,
          named: this.map.base.named,
          isStill: this.stillness.matches,
        },
        mostUrgent(events, this.place.place, nowUs),
      );
    }
  }

  /** Turns the map to an event that is new, with the watcher's place where that is not far off. */
  private turnTo(events: readonly EventVersion[]): void {
    const fresh = events.filter((one) => one.profile && !this.shownOnMap.has(one.event_id));
    if (fresh.length === 0) return;
    for (const { event_id: eventId } of fresh) this.shownOnMap.add(eventId);
    if (!this.map.isFree) return;
    const places: Place[] = events.flatMap(({ origin, profile }) =>
      around(origin, Math.min(profile?.alert_km ?? 0, MOST_TURNED_KM)),
    );
    const mine = this.place.place;
    if (mine && events.some((one) => distanceKm(one.origin, mine) < NEAR_ENOUGH_KM)) {
      places.push(mine);
    }
    this.map.fit(places);
  }

  private shownEvents(nowUs: number): EventVersion[] {
    const { selected } = this.past;
    if (!selected) return this.store.underWay(nowUs);
    const version = this.store.at(selected, nowUs);
    return version ? [version] : [];
  }

  private versionsUntil(eventId: string, nowUs: number): EventVersion[] {
    return this.store.versions(eventId).filter((version) => version.issued_us <= nowUs);
  }

  private showTexts(events: readonly EventVersion[], nowUs: number): void {
    const shown = mostUrgent(events, this.place.place, nowUs);
    const first = shown && this.store.versions(shown.event_id)[0];
    const view = viewAt(shown, first, this.place.place, nowUs);
    if (view.state === "none" && nowUs < this.cancelledUntilUs) view.state = "cancelled";
    this.place.show(view, shown);
    setText(byId("clock"), `${new Date(nowUs / 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`);
    this.showEvents(events);
    this.cities = cityRows(this.cities, this.map.base.cities, shown, nowUs);
    this.past.update(nowUs);
  }

  private showEvents(events: readonly EventVersion[]): void {
    byId("event-none").hidden = events.length > 0;
    const box = byId("under-way");
    const wanted = new Map(events.map((event) => [event.event_id, event]));
    for (const old of [...box.children] as HTMLElement[]) {
      if (!wanted.has(old.dataset["eventId"]!)) old.remove();
    }
    for (const [eventId, event] of wanted) {
      let element = box.querySelector<HTMLElement>(`[data-event-id="${CSS.escape(eventId)}"]`);
      if (!element) {
        element = make("article", { "data-testid": "event", "data-event-id": eventId });
        element.append(make("p", {}), make("p", {}), make("p", {}));
        box.append(element);
      }
      element.dataset["version"] = String(event.version);
      element.dataset["magnitude"] = event.origin.magnitude?.toFixed(1) ?? "";
      setText(element.children[0]!, eventTitle(event, this.where(event.origin)));
      setText(element.children[1]!, eventLine(event));
      const place = this.place.place;
      const distance = place ? Math.round(distanceKm(event.origin, place)) : null;
      setText(
        element.children[2]!,
        distance === null ? "" : text("event.distance", { distance }),
      );
    }
  }

  private showMode(mode: Status): void {
    const badge = byTestId("mode");
    badge.hidden = mode === "actual";
    setText(badge, mode === "actual" ? "" : text(`mode.${mode}`));
    document.body.dataset["mode"] = mode;
  }

  private settings(): void {
    i18n.translate(document);
    const language = byId<HTMLSelectElement>("language");
    const names = new Intl.DisplayNames([i18n.currentLanguage()], { type: "language" });
    for (const code of i18n.languages()) language.add(new Option(names.of(code) ?? code, code));
    language.value = i18n.currentLanguage();
    language.addEventListener("change", () => {
      i18n.rememberLanguage(language.value);
      const url = new URL(location.href);
      url.searchParams.set("lang", language.value);
      location.assign(url);
    });
    const theme = localStorage.getItem("ew.theme");
    if (theme) document.documentElement.dataset["theme"] = theme;
    byId("theme").addEventListener("click", () => {
      const isLight = matchMedia("(prefers-color-scheme: light)").matches;
      const shown = document.documentElement.dataset["theme"] ?? (isLight ? "light" : "dark");
      const next = shown === "dark" ? "light" : "dark";
      document.documentElement.dataset["theme"] = next;
      localStorage.setItem("ew.theme", next);
      this.map.themeChanged();
    });
    const sound = byId<HTMLInputElement>("sound");
    const speech = byId<HTMLInputElement>("speech");
    sound.checked = this.alarm.isSoundOn;
    speech.checked = this.alarm.isSpeechOn;
    sound.addEventListener("change", () => this.alarm.setSound(sound.checked));
    speech.addEventListener("change", () => this.alarm.setSpeech(speech.checked));
    const colours = byId<HTMLSelectElement>("cell-colours");
    colours.addEventListener("change", () => {
      this.map.cells.colours = colours.value === "intensity" ? "intensity" : "seconds";
      showLegend(this.map.cells.colours);
      this.map.redraw();
    });
    byId("fit").addEventListener("click", () => this.map.fit(this.everything()));
    showLegend("seconds");
  }

  private where(place: Place): string {
    const key = `${place.latitude},${place.longitude},${this.map.base.cities.length}`;
    let words = this.words.get(key);
    if (words === undefined) {
      words = whereIs(place, this.map.base.cities);
      this.words.set(key, words);
    }
    return words;
  }

  private everything(): NamedPlace[] {
    const places = [...this.stations.values()].map((one) => ({ ...one, name: one.code }));
    return this.place.place ? [...places, this.place.place] : places;
  }
}

function eventTitle({ origin, status }: EventVersion, where: string): string {
  const mark = status === "actual" ? "" : ` [${text(`mode.${status}`)}]`;
  return text("event.name", { magnitude: origin.magnitude?.toFixed(1) ?? "?", where }) + mark;
}

function eventLine({ origin, version, stations }: EventVersion): string {
  return text("event.line", {
    depth: origin.depth_km?.toFixed(0) ?? "?",
    version,
    stations,
  });
}

await i18n.chooseLanguage(new URLSearchParams(location.search).get("lang"));
await new Page().start();
