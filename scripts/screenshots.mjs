// Takes the pictures and the animation of docs/ from a demo of its own: node scripts/screenshots.mjs docs
//
// Needs Debian's chromium, fonts-noto-cjk and img2webp (package webp), and the npm package
// playwright-core, installed in the working directory or in the folder NODE_PATH.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const { chromium } = createRequire(join(process.env.NODE_PATH ?? process.cwd(), "package.json"))("playwright-core");
const [, , output = "docs"] = process.argv;
const PLACE = "30.66,104.07"; // Chengdu
/** Name, path, size, theme, and when it is taken: seconds left at the place. */
const PICTURES = [
  ["page.png", `/?place=${PLACE}`, 1400, 900, "dark", 42],
  ["page-zh.png", `/?place=${PLACE}&lang=zh`, 1400, 900, "light", 42],
  ["phone.png", `/phone?place=${PLACE}`, 390, 760, "dark", 40],
];
const ANIMATION = ["event.webp", `/?place=${PLACE}`, 1200, 760, "dark"];
const FRAMES = 36;
const FRAME_MS = 700;
/** Played back faster than it was taken. */
const SHOWN_MS = 220;

const demo = spawn(".venv/bin/ew", ["demo"], { stdio: ["ignore", "pipe", "inherit"] });
const url = await new Promise((found) => {
  createInterface({ input: demo.stdout }).on("line", (line) => {
    const address = line.match(/live page: (\S+?)\/?\s*$/);
    if (address) found(address[1]);
  });
});
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
});

async function opened([, path, width, height, colorScheme]) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  await page.goto(url + path);
  return page;
}

async function untilLeft(page, seconds) {
  await page.waitForFunction(
    (most) => {
      const words = document.querySelector("[data-testid=countdown]").textContent;
      return /^\d+$/.test(words) && Number(words) <= most;
    },
    seconds,
    { timeout: 180_000 },
  );
}

// One after another in time, all of one earthquake: a page drawn by a processor takes its time
const moving = await opened(ANIMATION);
const still = await Promise.all(PICTURES.map(opened));
const frames = mkdtempSync(join(tmpdir(), "ew-frames-"));
await untilLeft(moving, 999);
const names = [];
let taken = 0;
for (let frame = 0; frame < FRAMES; frame++) {
  const next = Date.now() + FRAME_MS;
  const name = join(frames, `${String(frame).padStart(3, "0")}.png`);
  await moving.screenshot({ path: name });
  names.push(name);
  for (const [index, [picture, , , , , left]] of PICTURES.entries()) {
    const words = await still[index].textContent("[data-testid=countdown]");
    if (still[index].isTaken || !/^\d+$/.test(words) || Number(words) > left) continue;
    still[index].isTaken = true;
    taken += 1;
    await still[index].screenshot({ path: join(output, picture) });
  }
  await moving.waitForTimeout(Math.max(0, next - Date.now()));
}
await browser.close();
demo.kill();
execFileSync("img2webp", [
  ..."-loop 0 -lossy -q 60 -m 4 -d".split(" "), String(SHOWN_MS), ...names,
  "-o", join(output, ANIMATION[0]),
]);
rmSync(frames, { recursive: true });
if (taken < PICTURES.length) throw new Error(`only ${taken} of ${PICTURES.length} pictures taken`);
