// The Check tab: a file goes to the verifier and to the detector; both answers are shown as they come.

import { call, ended } from "./api.js";

const $ = (id) => document.getElementById(id);
const KINDS = ["verify", "detect"];
const VERDICTS = {
  signed: ["Signed, and as it was then", "good"], marked: ["Marked as generated, not signed", "warm"],
  nothing: ["It says nothing of itself", ""], tampered: ["Tampered with", "bad"], unreadable: ["It cannot be read", "bad"],
  unverifiable: ["Signed in a form that cannot be checked here", "warm"],
  "likely generated": ["Probably generated", "warm"], "likely camera": ["Probably from a camera", "good"],
  inconclusive: ["This cannot be told", ""],
};
let turn = 0; // answers about a file before this one are not shown
let asked = {}; // the file's name, and the ids under which it is looked at: a reload goes on with them

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export async function look(file, name = file.name) {
  leave();
  const mine = begin(name);
  remember({ name });
  for (const kind of KINDS) waiting(kind, "Sending the file…");
  for (const kind of KINDS) await ask(kind, file, mine); // one key may have one place
}

// What was going on before a reload, or before a key was asked for.
export function refresh() {
  if (!asked.name) return;
  const mine = begin(asked.name);
  for (const kind of KINDS) {
    if (asked[kind]) follow(kind, { id: asked[kind] }, mine);
    else fail(kind, "It is not known whether the file arrived: drop it again.");
  }
}

// What was looked at is nobody else's business.
export const forget = () => remember({});

function remember(about) {
  asked = about;
  try {
    sessionStorage.setItem("praxino-check", JSON.stringify(about));
  } catch { /* forbidden or full: a reload forgets it */ }
}

function begin(name) {
  $("check-problem").hidden = true;
  $("look").hidden = true;
  $("looked").hidden = false;
  $("evidence-part").hidden = true;
  $("looked-name").textContent = name;
  $("looked-name").focus();
  return ++turn;
}

async function ask(kind, file, mine) {
  const form = new FormData();
  form.append("file", file, asked.name);
  try {
    const job = await placed(kind, form, mine);
    if (!job) return;
    if (mine !== turn) return void call(`/v1/${kind}/${job.id}`, { method: "DELETE" }).catch(() => {});
    remember({ ...asked, [kind]: job.id });
    await follow(kind, job, mine);
  } catch (error) {
    if (mine === turn) fail(kind, error.message);
  }
}

// Shows how far a look is until it ends; while the server is away, it asks again.
async function follow(kind, job, mine) {
  const before = { queued: "It begins in a moment", in_progress: "Looking…" };
  while (!ended(job)) {
    const ahead = job.queue_position;
    waiting(kind, ahead ? `Waiting: ${ahead} before it` : before[job.status] ?? "Asking…");
    try {
      job = await call(`/v1/${kind}/${job.id}?wait=${job.status === "queued" ? 2 : 20}`);
    } catch (error) {
      if (mine !== turn) return;
      if (error.status === 404) remember({ ...asked, [kind]: undefined });
      if (error.status && error.status < 500) return fail(kind, error.message);
      await new Promise((ready) => { setTimeout(ready, 2000); });
    }
    if (mine !== turn) return;
  }
  show(kind, job);
}

// Nobody wants to know any more: what is still looked at need not be.
function leave() {
  for (const kind of KINDS) if (asked[kind] && $(kind).hasAttribute("aria-busy")) call(`/v1/${kind}/${asked[kind]}`, { method: "DELETE" }).catch(() => {});
  turn++;
  remember({});
}

// Hands the file in; where all places are taken, again when there may be one.
async function placed(kind, form, mine) {
  while (mine === turn) {
    try {
      return await call(`/v1/${kind}`, { method: "POST", form });
    } catch (error) {
      if (error.status !== 429) throw error;
      waiting(kind, `Waiting for a place: ${error.message}`);
      await new Promise((ready) => { setTimeout(ready, 1000 * Math.min(error.after || 5, 60)); });
    }
  }
  return null;
}

function waiting(kind, text) {
  $(kind).setAttribute("aria-busy", "true");
  $(kind).replaceChildren(title(kind), element("p", { textContent: text }), element("progress"));
}

const title = (kind) => element("h3", { textContent: kind === "verify" ? "What the file says of itself" : "What its pixels say" });

function fail(kind, text) {
  $(kind).removeAttribute("aria-busy");
  $(kind).replaceChildren(title(kind), verdict("No answer", "bad"), element("p", { textContent: text }));
}

const verdict = (text, colour) => element("p", { className: `verdict ${colour}`, textContent: text, role: "status" });

function show(kind, job) {
  if (job.status !== "completed") return fail(kind, job.error?.message ?? "It was stopped.");
  const { report } = job;
  $(kind).removeAttribute("aria-busy");
  $(kind).replaceChildren(title(kind), verdict(...VERDICTS[report.outcome ?? report.verdict]));
  if (kind === "verify") {
    $(kind).append(element("ul", {}, ...report.sentences.map((line) => element("li", { textContent: line }))));
    return;
  }
  if (report.probability !== null) $(kind).append(...scale(report.probability));
  if (report.reasons.length) $(kind).append(element("p", { textContent: `No verdict, because: ${report.reasons.join("; ")}.` }));
  if (report.families.length) $(kind).append(families(report.families));
  for (const sentence of report.grid.sentences) $(kind).append(element("p", { className: "facts", textContent: sentence }));
  if (report.reliability) $(kind).append(element("p", { className: "facts", textContent: report.reliability }));
  if (job.page) {
    $("evidence-part").hidden = false;
    $("evidence").src = $("evidence-link").href = job.page;
  }
}

function scale(probability) {
  const mark = element("i");
  mark.style.left = `${100 * probability}%`;
  const bar = element("div", { className: "scale", role: "img", ariaLabel: `${Math.round(100 * probability)} of 100` },
    mark, element("span", { textContent: "camera" }), element("span", { textContent: "generated" }));
  return [element("p", { textContent: `Probability of having been generated, if half of all clips were: ${Math.round(100 * probability)}%` }), bar];
}

function families(seen) {
  const rows = seen.map((each) => element("tr", {},
    element("td", { textContent: each.family }),
    element("td", { textContent: each.log_odds === null ? "" : `${each.log_odds > 0 ? "+" : ""}${each.log_odds.toFixed(2)}` }),
    element("td", { textContent: [each.sentence, ...each.notes].join(" ") })));
  return element("table", {}, element("caption", { className: "unseen", textContent: "What each family of evidence says" }), ...rows);
}

export function ready() {
  const take = (files) => files?.length && look(files[0]);
  $("file").addEventListener("change", () => { take($("file").files); $("look").reset(); });
  $("unlook").addEventListener("click", () => {
    leave();
    $("looked").hidden = true;
    $("look").hidden = false;
    $("file").focus();
  });
  dropping($("check"), $("drop"), take);
  try {
    asked = JSON.parse(sessionStorage.getItem("praxino-check")) ?? {};
  } catch { /* forbidden */ }
  refresh();
}

// Lets files be dropped anywhere on `area`, and shows on `marked` that they can be.
export function dropping(area, marked, take) {
  let depth = 0;
  const mark = (change) => { depth = Math.max(0, depth + change); marked.classList.toggle("over", depth > 0); };
  const files = (event) => event.dataTransfer.types.includes("Files"); // text goes where it is dropped
  area.addEventListener("dragenter", (event) => { if (files(event)) mark(1); });
  area.addEventListener("dragleave", (event) => { if (files(event)) mark(-1); });
  area.addEventListener("drop", (event) => { if (files(event)) { mark(-depth); take(event.dataTransfer.files); } });
}
