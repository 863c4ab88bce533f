// The page: tabs, whether the server answers, and the key where one is needed. Making is in make.js, checking in check.js.

import { call, online } from "./api.js";
import * as check from "./check.js";
import * as film from "./film.js";
import * as learn from "./learn.js";
import * as make from "./make.js";

const $ = (id) => document.getElementById(id);
const TABS = ["make", "board", "check", "learn"];

export function open(name) {
  for (const tab of TABS) {
    const chosen = tab === name;
    $(`tab-${tab}`).setAttribute("aria-selected", chosen);
    $(`tab-${tab}`).tabIndex = chosen ? 0 : -1;
    $(tab).hidden = !chosen;
  }
  if (name === "board") film.refresh();
  if (name !== "learn") learn.leave();
  history.replaceState(null, "", name === "make" ? location.pathname : `#${name}`);
}

for (const tab of TABS) {
  $(`tab-${tab}`).addEventListener("click", () => open(tab));
  $(`tab-${tab}`).addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const by = event.key === "ArrowRight" ? 1 : TABS.length - 1;
    const other = TABS[(TABS.indexOf(tab) + by) % TABS.length];
    open(other);
    $(`tab-${other}`).focus();
  });
}

for (const name of ["dragover", "drop"]) { // a file beside its place must not replace the page
  addEventListener(name, (event) => { if (event.dataTransfer.types.includes("Files")) event.preventDefault(); });
}

let trying;
online.addEventListener("down", () => {
  $("offline").hidden = false;
  trying ??= setInterval(() => call("/healthz").catch(() => {}), 2000);
});
online.addEventListener("up", () => {
  if ($("offline").hidden) return;
  $("offline").hidden = true;
  clearInterval(trying);
  trying = undefined;
  make.refresh();
});
let locked = false;
online.addEventListener("locked", () => { locked = true; if (!$("door").open) $("door").showModal(); });
$("door").addEventListener("cancel", (event) => event.preventDefault()); // there is nothing behind it without a key
$("door").addEventListener("close", () => { if (locked) $("door").showModal(); }); // a second Escape is not asked first
$("door-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("door-problem").hidden = true;
  try {
    await call("/v1/session", { method: "POST", json: { key: $("key").value.trim() } });
    locked = false;
    $("door").close();
    $("key").value = "";
    keyed();
    make.refresh();
    check.refresh();
    film.refresh();
  } catch (error) {
    $("door-problem").textContent = error.message;
    $("door-problem").hidden = false;
  }
});

// Whether there is a key to forget: it is in a cookie that this page cannot read.
const keyed = () => call("/v1/session").then(({ key }) => { $("leave").hidden = !key; }, () => {});
$("leave").addEventListener("click", async () => {
  try {
    await call("/v1/session", { method: "DELETE" });
    check.forget();
    location.reload(); // whatever is shown is its owner's
  } catch (error) {
    $("state").textContent = `The key is not forgotten yet: ${error.message}`;
  }
});

keyed();
check.ready();
film.ready();
learn.ready();
make.ready({
  examine: async (film) => {
    open("check");
    const answer = await fetch(`/v1/videos/${film.id}/content`).catch(() => null);
    if (answer?.ok) check.look(await answer.blob(), `${film.prompt.slice(0, 60)}.mp4`);
    else make.refresh();
  },
});
if (TABS.includes(location.hash.slice(1))) open(location.hash.slice(1));
