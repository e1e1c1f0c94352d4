// Words in the reader's language. English and Chinese come with the page; another language is a file
// `i18n/xx.json` beside the page with the same keys, asked for by `?lang=xx`.

import en from "./i18n/en.json";
import zh from "./i18n/zh.json";

export type Key = keyof typeof en;
export type Words = Record<string, string>;

const KNOWN: Record<string, Words> = { en, zh };
let words: Words = en;
let language = "en";

/** Chooses the language: `?lang=`, else the last chosen one, else the browser's. */
export async function chooseLanguage(asked: string | null): Promise<string> {
  const wanted = [asked, stored(), ...navigator.languages].filter((one): one is string => !!one);
  for (const one of wanted) {
    const short = one.toLowerCase().split("-")[0]!;
    const found = KNOWN[short] ?? (one === asked ? await fetched(short) : undefined);
    if (found) return use(short, found);
  }
  return use("en", en);
}

export function languages(): string[] {
  return [...new Set([...Object.keys(KNOWN), language])];
}

export function currentLanguage(): string {
  return language;
}

/** The text of a key; `{name}` is replaced by the value of that name. */
export function text(key: string, values: Record<string, string | number> = {}): string {
  const found = words[key] ?? (en as Words)[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Fills every element with `data-text` (its text) and `data-label` (its accessible name). */
export function translate(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLElement>("[data-text]")) {
    element.textContent = text(element.dataset["text"]!);
  }
  for (const element of root.querySelectorAll<HTMLElement>("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset["label"]!));
  }
  for (const element of root.querySelectorAll<HTMLInputElement>("[data-placeholder]")) {
    element.placeholder = text(element.dataset["placeholder"]!);
  }
}

function use(short: string, found: Words): string {
  words = found;
  language = short;
  document.documentElement.lang = short === "zh" ? "zh-Hans" : short;
  document.title = `ew · ${text("title")}`;
  return short;
}

export function rememberLanguage(short: string): void {
  localStorage.setItem("ew.language", short);
}

function stored(): string | null {
  return localStorage.getItem("ew.language");
}

async function fetched(short: string): Promise<Words | undefined> {
  if (!/^[a-z]{2,3}$/.test(short)) return undefined;
  try {
    const answer = await fetch(`i18n/${short}.json`);
    return answer.ok ? ((await answer.json()) as Words) : undefined;
  } catch {
    return undefined;
  }
}
