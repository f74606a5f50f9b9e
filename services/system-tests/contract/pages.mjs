// The pages for people in a real browser: Swagger UI and ReDoc show every operation, ask no other host for anything, run no
// script that their policy forbids, and a request that a reader tries is answered.
//
// in:   $1 base address of a running API, $2 the browser's executable, $3 docs/openapi.json
// out:  one line per page; exit 1 with what is wrong

import { chromium } from "playwright-core";
import { readFile } from "node:fs/promises";

const [base, executablePath, documentPath] = process.argv.slice(2);
const quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const document = JSON.parse(await readFile(documentPath, "utf8"));
const methods = ["get", "post", "put", "patch", "delete"];
const operations = Object.values(document.paths).flatMap((item) => methods.filter((method) => item[method])).length;

/// Opens a page and looks at it; answers what it complained of, and whom else it asked.
async function visit(browser, path, look) {
  const page = await browser.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`an error: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && wrong.push(`on the console: ${message.text()}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !/^(data|blob):/.test(url)) wrong.push(`it asks for ${url}`);
  });
  await page.goto(base + path);
  await look(page);
  await page.close();
  if (wrong.length > 0) throw new Error(`${path}: ${wrong.join("; ")}`);
}

async function swagger(page) {
  const blocks = page.locator(".opblock");
  await blocks.first().waitFor();
  const shown = await blocks.count();
  if (shown !== operations) throw new Error(`/docs shows ${shown} of ${operations} operations`);
  const health = page.locator(".opblock", { has: page.locator('[data-path="/health"]') });
  await health.locator(".opblock-summary-control").first().click();
  await health.getByRole("button", { name: "Try it out" }).click();
  await health.getByRole("button", { name: "Execute" }).click();
  const status = health.locator(".live-responses-table .response-col_status").nth(1);
  await status.waitFor();
  if (!(await status.innerText()).startsWith("200")) throw new Error(`/docs: GET /health is answered ${await status.innerText()}`);
  console.log(`/docs shows ${shown} operations, and GET /health can be tried`);
}

async function redoc(page) {
  const sections = page.locator('[data-section-id^="tag/"][data-section-id*="/operation/"], [data-section-id*="/paths/"]');
  await sections.first().waitFor();
  const shown = await sections.count();
  if (shown !== operations) throw new Error(`/redoc shows ${shown} of ${operations} operations`);
  console.log(`/redoc shows ${shown} operations`);
}

const browser = await chromium.launch({ executablePath, args: quiet });
try {
  await visit(browser, "/docs", swagger);
  await visit(browser, "/redoc", redoc);
} finally {
  await browser.close();
}
