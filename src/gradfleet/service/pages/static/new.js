// Shows, while the form is filled in, what it says and what is wrong with it: the server's own page, in parts.
"use strict";
const form = document.getElementById("sweep");
let waiting, latest = 0;

async function look() {
  const mine = ++latest;
  const answer = await fetch(form.dataset.look, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
  if (!answer.ok || mine !== latest) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const old of document.querySelectorAll("[data-fresh]")) {
    const fresh = page.querySelector(`[data-fresh="${CSS.escape(old.dataset.fresh)}"]`);
    const box = document.getElementById(old.dataset.fresh);
    const untouched = box && !box.value && box.name === "data"; // nobody is blamed for what comes next
    if (fresh && !untouched && fresh.innerHTML !== old.innerHTML) old.replaceWith(fresh);
    if (box && fresh && !untouched) box.setAttribute("aria-invalid", String(fresh.textContent !== ""));
  }
}

function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(() => look().catch(() => { /* the service is away; starting will say so */ }), 250);
}

const served = form.cloneNode(true), filled = (one) => String(new URLSearchParams(new FormData(one)));
served.reset();
form.addEventListener("input", soon);
if (filled(form) !== filled(served)) soon(); // filled in before this was loaded, or kept by the browser
