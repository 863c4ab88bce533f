// The page: tabs, whether the server answers, and the key where one is needed. Making is in make.js, checking in check.js.

import { call, online } from "./api.js";
import * as check from "./check.js";
import * as make from "./make.js";

const $ = (id) => document.getElementById(id);
const TABS = ["make", "check"];

export function open(name) {
  for (const tab of TABS) {
    const chosen = tab === name;
    $(`tab-${tab}`).setAttribute("aria-selected", chosen);
    $(`tab-${tab}`).tabIndex = chosen ? 0 : -1;
    $(tab).hidden = !chosen;
  }
  history.replaceState(null, "", name === "make" ? location.pathname : `#${name}`);
}

for (const tab of TABS) {
  $(`tab-${tab}`).addEventListener("click", () => open(tab));
  $(`tab-${tab}`).addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    const other = TABS[(TABS.indexOf(tab) + 1) % TABS.length];
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
online.addEventListener("locked", () => { if (!$("door").open) $("door").showModal(); });
$("door").addEventListener("cancel", (event) => event.preventDefault()); // there is nothing behind it without a key
$("door-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("door-problem").hidden = true;
  try {
    await call("/v1/session", { method: "POST", json: { key: $("key").value.trim() } });
    $("door").close();
    $("key").value = "";
    keyed(true);
    make.refresh();
  } catch (error) {
    $("door-problem").textContent = error.message;
    $("door-problem").hidden = false;
  }
});

// That a key was given; the key itself is in a cookie that this page cannot read.
function keyed(now) {
  if (now) localStorage.setItem("praxino-keyed", "yes");
  else if (now === false) localStorage.removeItem("praxino-keyed");
  $("leave").hidden = !localStorage.getItem("praxino-keyed");
}
$("leave").addEventListener("click", async () => {
  await call("/v1/session", { method: "DELETE" }).catch(() => {});
  keyed(false);
  location.reload(); // whatever is shown is its owner's
});

keyed();
check.ready();
make.ready({
  examine: async (film) => {
    open("check");
    const answer = await fetch(`/v1/videos/${film.id}/content`).catch(() => null);
    if (answer?.ok) check.look(await answer.blob(), `${film.prompt.slice(0, 60)}.mp4`);
    else make.refresh();
  },
});
if (TABS.includes(location.hash.slice(1))) open(location.hash.slice(1));
