// An image that is dropped, pasted or chosen is shown and asked about at once; the answer takes the place of the last.
"use strict";
const form = document.querySelector("[data-try]");
const drop = form && form.querySelector(".drop");

async function ask() {
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
  if (answer.type === "opaqueredirect") { location.reload(); return; } // logged out
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector('[data-fresh="answer"]');
  if (fresh) document.querySelector('[data-fresh="answer"]').replaceWith(fresh);
}

function shown(file) {
  const image = drop.querySelector("img"), reader = new FileReader();
  reader.addEventListener("load", () => { image.src = reader.result; image.hidden = false; });
  reader.readAsDataURL(file);
}

function take(files) {
  const image = [...files].find((one) => one.type.startsWith("image/"));
  if (!image) return;
  const box = drop.querySelector("input"), one = new DataTransfer();
  one.items.add(image);
  box.files = one.files;
  shown(image);
  form.requestSubmit();
}

if (form) form.addEventListener("submit", (event) => { event.preventDefault(); ask().catch(() => form.submit()); });
if (drop) {
  drop.querySelector("input").addEventListener("change", (event) => take(event.target.files));
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files); });
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  take(drop.querySelector("input").files); // chosen before this was loaded
}
