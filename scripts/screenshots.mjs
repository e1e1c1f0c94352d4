// Takes the pictures of docs/ from a running demo: node scripts/screenshots.mjs URL OUTPUT_DIRECTORY
// Needs Debian's chromium and the npm package playwright-core in a folder that NODE_PATH or the
// working directory reaches. Run it some 15 s after the origin of `ew demo`.
import { createRequire } from "node:module";
import { join } from "node:path";

const { chromium } = createRequire(join(process.cwd(), "package.json"))("playwright-core");
const [, , url, output] = process.argv;
const PLACE = "30.66,104.07"; // Chengdu
const PICTURES = [
  ["page.png", `/?place=${PLACE}`, 1400, 880, "dark"],
  ["page-zh.png", `/?place=${PLACE}&lang=zh`, 1400, 880, "light"],
  ["phone.png", `/phone?place=${PLACE}`, 390, 760, "dark"],
];
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
});
const pages = await Promise.all(
  PICTURES.map(async ([name, path, width, height, colorScheme]) => {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(url + path);
    return [name, page];
  }),
);
for (const [name, page] of pages) {
  await page.getByText(/^\d+$/).first().waitFor({ timeout: 120_000 });
  await page.waitForTimeout(2000);
  await page.screenshot({ path: join(output, name) });
}
await browser.close();
