// Looks at the page again while its sweep runs, and puts what is new in the place of what was there.
"use strict";
const EVERY = 5000; // milliseconds
let round = 0;

async function look() {
  if (document.visibilityState !== "visible") return true;
  const answer = await fetch(location.href, { redirect: "manual" });
  if (answer.type === "opaqueredirect") { location.reload(); return false; } // logged out
  if (!answer.ok) return true; // it may be back the next time
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const goesOn = page.querySelector('script[src$="live.js"]') !== null;
  const main = document.querySelector("main"), whole = page.querySelector("main");
  const isNew = main.children.length !== whole.children.length; // such as the first trial
  if (isNew && !isFilledIn(main)) main.replaceChildren(...whole.children);
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.querySelector(`[data-live="${CSS.escape(old.dataset.live)}"]`);
    const inUse = goesOn && (old.contains(document.activeElement) || isFilledIn(old)); // at last nothing old is left
    if (fresh && fresh.innerHTML !== old.innerHTML && !inUse) old.replaceWith(fresh);
  }
  if (++round % 3 === 0 || !goesOn) draw();
  return goesOn;
}

function isFilledIn(part) {
  return [...part.querySelectorAll("input, textarea")].some(
    (one) => one.checked !== one.defaultChecked || one.value !== one.defaultValue);
}

function draw() {
  for (const one of document.querySelectorAll("picture > *")) {
    const name = one.tagName === "IMG" ? "src" : "srcset";
    const address = new URL(one.getAttribute(name), location.href);
    address.searchParams.set("round", round);
    one.setAttribute(name, address.pathname + address.search);
  }
}

async function again() {
  let goesOn = true;
  try { goesOn = await look(); } catch { /* the service is away; it may come back */ }
  if (goesOn) setTimeout(again, EVERY);
}
setTimeout(again, EVERY);
