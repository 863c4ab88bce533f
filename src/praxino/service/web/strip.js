// The strip of films: poster frames that play under the pointer, and two of them side by side.

import { call } from "./api.js";
import { element } from "./check.js";

const $ = (id) => document.getElementById(id);
const WORDS = { queued: "waiting", in_progress: "forming", failed: "failed", cancelled: "stopped" };
let all = [], picked = [], current = null, handlers = {}, turn = 0; // `turn` counts what came and went

export const films = () => all;

export function ready(given) {
  handlers = given;
  $("more").addEventListener("click", () => load(all.at(-1)?.id).catch(() => load().catch(() => {})));
  $("compare").addEventListener("click", compare);
}

export async function load(after) {
  const page = await call(`/v1/videos?limit=24${after ? `&after=${after}` : ""}`);
  all = after ? [...all, ...page.data.filter((film) => place(film.id) < 0)] : page.data;
  turn++;
  $("more").hidden = !page.has_more;
  picked = picked.filter((id) => all.some((film) => film.id === id));
  $("strip").replaceChildren(...all.map(card));
  settle();
}

// What has changed since: new films, how far others are, and which are gone.
export async function freshen() {
  const before = turn, page = await call("/v1/videos?limit=24").catch(() => null);
  if (!page || turn !== before) return; // something was put in or taken out meanwhile: next time
  if (all.length && !page.data.some((film) => place(film.id) >= 0)) return void load().catch(() => {}); // nothing is as it was
  const there = new Set(page.data.map((film) => film.id));
  const last = page.has_more ? all.findLastIndex((film) => there.has(film.id)) : all.length - 1; // up to which the page tells
  for (const film of all.slice(0, last + 1)) if (!there.has(film.id)) drop(film.id);
  const oldest = page.data.findLastIndex((film) => place(film.id) >= 0);
  for (const film of page.data.slice(0, oldest + 1).reverse()) put(film);
  for (const film of page.data.slice(oldest + 1)) put(film, true);
}

const place = (id) => all.findIndex((film) => film.id === id);

// Shows a film as it is now; one that is not there yet is the newest, or the oldest.
export function put(film, oldest = false) {
  const at = place(film.id);
  if (at < 0) {
    turn++;
    all.splice(oldest ? all.length : 0, 0, film);
    $("strip")[oldest ? "append" : "prepend"](card(film));
  } else {
    const before = all[at];
    all[at] = { ...before, ...film };
    if (before.status !== film.status || before.has_content !== all[at].has_content) $("strip").children[at].replaceWith(card(all[at]));
    else badge($("strip").children[at], all[at]);
  }
  settle();
}

export function drop(id) {
  const at = place(id);
  if (at < 0) return;
  turn++;
  all.splice(at, 1);
  $("strip").children[at].remove();
  picked = picked.filter((each) => each !== id);
  settle();
}

export function mark(id) {
  current = id;
  [...$("strip").children].forEach((each, at) => each.setAttribute("aria-current", all[at].id === id));
}

function settle() {
  $("none").hidden = all.length > 0;
  $("compare").disabled = picked.length !== 2;
  $("compare").textContent = picked.length === 1 ? "Compare two: one more" : "Compare two";
  mark(current);
}

function card(film) {
  const shot = element("span", { className: "shot" }), open = element("button", { type: "button" }, shot, element("span", { className: "said", textContent: film.prompt }));
  const made = element("li", { className: "card" }, open);
  open.addEventListener("click", () => {
    handlers.choose(all.find((each) => each.id === film.id));
    $("stage").scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
  if (film.has_content) {
    shot.append(element("img", { src: `/v1/videos/${film.id}/content?variant=thumbnail`, alt: "", loading: "lazy" }));
    for (const name of ["pointerenter", "focusin"]) open.addEventListener(name, () => play(film, shot));
    for (const name of ["pointerleave", "focusout"]) open.addEventListener(name, () => shot.querySelector("video")?.remove());
    made.append(picker(film));
  }
  badge(made, film);
  return made;
}

function play(film, shot) {
  if (shot.querySelector("video") || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const video = element("video", { src: `/v1/videos/${film.id}/content`, muted: true, loop: true, playsInline: true });
  shot.append(video);
  video.play().catch(() => {});
}

function picker(film) {
  const box = element("input", { type: "checkbox", checked: picked.includes(film.id), ariaLabel: `To compare: ${film.prompt}` });
  box.addEventListener("change", () => {
    picked = picked.filter((id) => id !== film.id);
    if (box.checked) picked.push(film.id);
    if (picked.length > 2) { // the oldest choice makes room
      const gone = picked.shift();
      $("strip").children[place(gone)].querySelector("input").checked = false;
    }
    settle();
  });
  return element("label", { className: "pick" }, box);
}

function badge(made, film) {
  made.querySelector(".badge")?.remove();
  const word = WORDS[film.status];
  const text = film.status === "in_progress" && film.progress ? `${word} ${film.progress}%` : word;
  if (text) made.querySelector(".shot").append(element("span", { className: "badge", textContent: text }));
}

const FACTS = { prompt: "sentence", model: "model", size: "size", seconds: "seconds", num_inference_steps: "steps", guidance_scale: "guidance", seed: "seed", negative_prompt: "without" };

function compare() {
  const two = picked.map((id) => all.find((film) => film.id === id));
  $("pair-films").replaceChildren(...two.map((film, at) => {
    const other = two[1 - at], list = element("dl");
    for (const [name, word] of Object.entries(FACTS)) {
      if (film[name] === "" && other[name] === "") continue;
      list.append(element("dt", { textContent: word }), element("dd", { textContent: film[name], className: film[name] === other[name] ? "" : "other" }));
    }
    return element("div", {}, element("video", { src: `/v1/videos/${film.id}/content`, muted: true, loop: true, playsInline: true, controls: true }), list);
  }));
  $("pair-title").textContent = "Two films";
  together();
}

// Opens the dialog of films beside one another, which begin at the same time.
export function together() {
  $("pair").showModal();
  const videos = [...$("pair").querySelectorAll("video")];
  Promise.all(videos.map((video) => new Promise((ready) => { video.oncanplay = ready; }))).then(() => { // begin together
    for (const video of videos) { video.currentTime = 0; video.play().catch(() => {}); }
  });
}

$("pair").addEventListener("close", () => $("pair-films").replaceChildren());
