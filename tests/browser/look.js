// Opens a page in Chromium as people do, and prints as JSON what it found there.
// Usage: node look.js PAGE FOLDER; NODE_PATH holds playwright-core and axe-core. FOLDER gets pictures and a PDF.
const { chromium } = require("playwright-core");

const SIZES = { phone: [390, 844], tablet: [820, 1180], desktop: [1440, 1000] };
const VIEWS = ["phone", "tablet", "desktop"].flatMap((size) => ["light", "dark"].map((scheme) => [size, scheme]));

const look = async (browser, url, folder, [size, scheme]) => {
  const [width, height] = SIZES[size];
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
  const page = await context.newPage();
  const seen = { size, scheme, requests: [], messages: [], dialogs: 0 };
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("console", (message) => seen.messages.push(message.text()));
  page.on("pageerror", (error) => seen.messages.push(String(error)));
  page.on("dialog", (dialog) => { seen.dialogs += 1; dialog.dismiss(); });
  await page.goto(url);
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  seen.width = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  seen.background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.screenshot({ path: `${folder}/${size}-${scheme}.png` });
  await context.close();
  return seen;
};

// axe-core is a script, which the page's own policy would not let in: a context of its own, without it.
const audit = async (browser, url, [size, scheme]) => {
  const [width, height] = SIZES[size];
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, bypassCSP: true });
  const page = await context.newPage();
  await page.goto(url);
  await page.addScriptTag({ path: require.resolve("axe-core/axe.min.js") });
  const found = await page.evaluate(() => {
    document.querySelectorAll("details").forEach((one) => { one.open = true; });
    return axe.run({ resultTypes: ["violations"] });
  });
  await context.close();
  return found.violations.map((one) => `${size} ${scheme} ${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html).join(" | ")}`);
};

// What the policy does to a script, a style and a request that got into the page somehow.
const attack = async (browser, url) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  const found = await page.evaluate(async () => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    document.body.setAttribute("style", "color: rgb(1, 2, 3)");
    const fetched = await fetch("http://127.0.0.1:9/").then(() => true, (error) => String(error));
    return { ran: window.ran === true, styled: getComputedStyle(document.body).color === "rgb(1, 2, 3)", fetched };
  });
  await context.close();
  return found;
};

const keyboard = async (browser, url) => {
  const page = await browser.newPage();
  await page.goto(url);
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.textContent);
  const shown = await page.evaluate(() => document.activeElement.getBoundingClientRect().left >= 0);
  await page.keyboard.press("Enter");
  const then = await page.evaluate(() => document.activeElement.id);
  await page.close();
  return { first, shown, then };
};

const paper = async (browser, url, folder) => {
  const context = await browser.newContext({ colorScheme: "dark" });
  const page = await context.newPage();
  await page.goto(url);
  await page.pdf({ path: `${folder}/page.pdf`, format: "A4" });
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const found = await page.evaluate(() => ({
    background: getComputedStyle(document.body).backgroundColor,
    navigation: getComputedStyle(document.querySelector("nav")).display,
    folded: [...document.querySelectorAll("details:not(.numbers):not([open]) > :not(summary)")].filter((one) => !one.checkVisibility()).length,
  }));
  await context.close();
  return found;
};

(async () => {
  const [file, folder] = process.argv.slice(2);
  const url = `file://${file}`;
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  const views = [];
  for (const view of VIEWS) views.push(await look(browser, url, folder, view));
  const violations = [];
  for (const view of [["phone", "light"], ["desktop", "dark"]]) violations.push(...(await audit(browser, url, view)));
  const found = { views, violations, attack: await attack(browser, url), keyboard: await keyboard(browser, url) };
  found.paper = await paper(browser, url, folder);
  await browser.close();
  process.stdout.write(JSON.stringify(found));
})().catch((error) => { console.error(error); process.exit(1); });
