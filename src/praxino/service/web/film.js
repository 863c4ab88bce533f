// The Storyboard tab: a film of many shots, each a card with its sentence and its takes.

import { call, ended } from "./api.js";
import * as cast from "./cast.js";
import { element } from "./check.js";
import { editor } from "./layout.js";
import { together } from "./strip.js";

const $ = (id) => document.getElementById(id);
const NEW = { title: "", shots: [{ id: "1", prompt: "" }] };
let film = null, script = structuredClone(NEW), dirty = false, films = [], asking;

export function ready() {
  cast.ready(() => {});
  $("film-title").addEventListener("input", () => { script.title = $("film-title").value; touch(); });
  $("film-style").addEventListener("input", () => { script.style = $("film-style").value; touch(); });
  $("film-choose").addEventListener("change", () => choose($("film-choose").value));
  $("shot-add").addEventListener("click", add);
  $("film-make").addEventListener("click", () => make());
  $("film-stop").addEventListener("click", stop);
  $("film-delete").addEventListener("click", remove);
  draw();
}

export async function refresh() {
  try {
    await cast.load();
    films = (await call("/v1/films")).data;
    list();
    if (!film && films.length && !dirty) show(films[0]);
  } catch (error) {
    if (error.status > 0 && error.status !== 401) complain(error.message);
  }
}

function list() {
  const none = element("option", { value: "", textContent: "A new film" });
  $("film-choose").replaceChildren(none, ...films.map((one) => element("option", { value: one.id, textContent: one.title || `Film of ${one.shots.length} shots` })));
  $("film-choose").value = film?.id ?? "";
}

function choose(id) {
  film = null;
  script = structuredClone(NEW);
  dirty = false;
  const found = films.find((one) => one.id === id);
  if (found) show(found);
  else draw();
}

// A film as the server has it: its script into the cards unless something was written meanwhile.
function show(now) {
  const other = film?.id !== now.id;
  film = now;
  films = [now, ...films.filter((one) => one.id !== now.id)];
  if (!dirty || other) { script = structuredClone(now.script); dirty = false; draw(); }
  else takes();
  list();
  clearTimeout(asking);
  if (busy()) asking = setTimeout(() => call(`/v1/films/${film.id}`).then(show, (error) => complain(error.message)), 700);
}

const busy = () => film && film.status !== "idle" && !ended(film);
const touch = () => { dirty = true; state(); };

function draw() {
  $("film-title").value = script.title ?? "";
  $("film-style").value = script.style ?? "";
  $("shots").replaceChildren(...script.shots.map(card));
  takes();
}

function card(shot, place) {
  const item = element("li", { className: "shot-card" });
  item.dataset.shot = shot.id;
  const prompt = element("textarea", { rows: 3, maxLength: 2000, value: shot.prompt, id: `shot-${shot.id}`, placeholder: "what this shot shows; @ calls a character" });
  const name = element("label", { htmlFor: prompt.id, textContent: `Shot ${place + 1}` });
  prompt.addEventListener("input", () => { shot.prompt = prompt.value; forget(shot); touch(); });
  const seconds = element("select", { ariaLabel: `Seconds of shot ${place + 1}` });
  for (const value of ["", 1, 2, 3, 4, 5]) seconds.append(element("option", { value, textContent: value ? `${value} s` : "usual length" }));
  seconds.value = shot.seconds ?? "";
  seconds.addEventListener("change", () => { if (seconds.value) shot.seconds = Number(seconds.value); else delete shot.seconds; forget(shot); touch(); });
  const goes = element("label", { className: "tick" }), tick = element("input", { type: "checkbox", checked: shot.cut === false });
  tick.addEventListener("change", () => { if (tick.checked) shot.cut = false; else delete shot.cut; forget(shot); touch(); });
  goes.append(tick, " goes on from the shot before");
  goes.hidden = place === 0;
  const tools = element("p", { className: "row" });
  for (const [text, label, act, able] of [
    ["↑", `Shot ${place + 1} earlier`, () => move(place, -1), place > 0],
    ["↓", `Shot ${place + 1} later`, () => move(place, 1), place < script.shots.length - 1],
    ["×", `Remove shot ${place + 1}`, () => { script.shots.splice(place, 1); touch(); draw(); }, script.shots.length > 1],
  ]) {
    const button = element("button", { type: "button", textContent: text, ariaLabel: label, disabled: !able });
    button.addEventListener("click", act);
    tools.append(button);
  }
  const screen = element("div", { className: "shot-screen" }), strip = element("div", { className: "takes", role: "group", ariaLabel: `Takes of shot ${place + 1}` });
  item.append(screen, strip, name, prompt, element("p", { className: "row" }), tools);
  item.querySelector("p.row").append(seconds, goes);
  cast.mention(prompt);
  return item;
}

// A layout that was moved by hand belongs to the sentence and the length that it was drawn for, and to its take's noise.
function forget(shot) {
  if (!shot.layout) return;
  delete shot.layout;
  delete shot.seed;
}

function add() {
  const names = new Set(script.shots.map((shot) => shot.id));
  let number = script.shots.length + 1;
  while (names.has(String(number))) number++;
  script.shots.push({ id: String(number), prompt: "" });
  touch();
  draw();
  $(`shot-${number}`).focus();
}

function move(place, by) {
  const [shot] = script.shots.splice(place, 1);
  script.shots.splice(place + by, 0, shot);
  if (script.shots[0].cut === false) { delete script.shots[0].cut; forget(script.shots[0]); }
  touch();
  draw();
}

// The takes of each shot, as the server has them.
function takes() {
  for (const item of $("shots").children) {
    const own = film?.shots.find((shot) => shot.id === item.dataset.shot)?.takes ?? [];
    const current = own.find((take) => take.current) ?? own.at(-1);
    const seen = own.map((take) => `${take.number}${take.state}${take.current}`).join();
    if (item.dataset.seen === seen) continue;
    item.dataset.seen = seen;
    screen(item, current);
    item.querySelector(".takes").replaceChildren(...own.map((take) => {
      const button = element("button", { type: "button", textContent: `Take ${take.number}`, className: `take ${take.state}`, title: `${take.state}, seed ${take.seed}` });
      button.setAttribute("aria-pressed", take === current);
      button.addEventListener("click", () => {
        for (const each of item.querySelectorAll(".take")) each.setAttribute("aria-pressed", each === button);
        screen(item, take);
      });
      return button;
    }));
    if (own.length > 1) {
      const both = element("button", { type: "button", textContent: "Side by side" });
      both.addEventListener("click", () => beside(item.dataset.shot, own));
      item.querySelector(".takes").append(both);
    }
  }
  state();
}

// All takes of a shot beside one another, begun together.
function beside(id, own) {
  $("pair-title").textContent = `Takes of shot ${script.shots.findIndex((shot) => shot.id === id) + 1}`;
  $("pair-films").replaceChildren(...own.map((take) => {
    const figure = element("figure");
    figure.append(element("video", { src: take.url, muted: true, loop: true, playsInline: true, controls: true, ariaLabel: `Take ${take.number}` }),
      element("figcaption", { textContent: `Take ${take.number}, ${take.state}, seed ${take.seed}` }), ...likenesses(take));
    return figure;
  }));
  together();
}

// One take on a card's screen, and what may be thought of it.
function screen(item, take) {
  const place = item.querySelector(".shot-screen");
  if (!take) return place.replaceChildren(element("span", { className: "empty", textContent: "no take yet" }));
  const video = element("video", { src: take.url, loop: true, muted: true, playsInline: true, controls: false, tabIndex: 0, ariaLabel: `Take ${take.number} of shot ${item.dataset.shot}` });
  video.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
  video.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); video.click(); } });
  const judge = element("p", { className: "row judge" });
  for (const [text, value] of [["Keep", "kept"], ["Reject", "rejected"]]) {
    const button = element("button", { type: "button", textContent: text, disabled: busy() });
    button.setAttribute("aria-pressed", take.state === value);
    button.addEventListener("click", () => act(() => call(`/v1/films/${film.id}/takes/${item.dataset.shot}/${take.number}`, { method: "PATCH", json: { state: take.state === value ? "draft" : value } })));
    judge.append(button);
  }
  const board = element("div", { className: "shot-film" });
  board.append(video);
  place.replaceChildren(board, judge, ...likenesses(take));
  if (take.layout) judge.append(laying(item, take, board, video));
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
}

// How like their pictures the characters of a take are.
function likenesses(take) {
  if (!take.identity.length) return [];
  const line = element("p", { className: "row likeness" });
  for (const { name, likeness, alike } of take.identity) {
    const text = likeness === null ? `@${name} not found` : `@${name} ${alike ? "alike" : "unlike"} (${likeness.toFixed(2)})`;
    line.append(element("span", { className: `badge ${alike ? "good" : "bad"}`, textContent: text, title: "cosine to the pictures that were given" }));
  }
  return [line];
}

// The button that opens a take's layout over its film; what is moved there, the next take follows.
function laying(item, take, board, video) {
  const shot = script.shots.find((one) => one.id === item.dataset.shot);
  const button = element("button", { type: "button", textContent: "Layout" });
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", !open);
    for (const each of board.querySelectorAll("svg, .laying")) each.remove();
    if (open) return void video.play().catch(() => {});
    const fits = shot.layout?.things?.every((thing) => thing.boxes.length === take.layout.frames);
    const layout = fits ? { ...take.layout, things: shot.layout.things } : take.layout;
    const time = element("input", { type: "range", min: 0, max: layout.frames - 1, value: 0, ariaLabel: "Frame" });
    const own = element("button", { type: "button", textContent: "As the model drew it", hidden: !shot.layout });
    const { svg, draw } = editor(layout, () => Number(time.value), (now) => { shot.layout = now; shot.seed = take.seed; own.hidden = false; touch(); });
    time.addEventListener("input", () => { video.currentTime = time.value / layout.fps; draw(); });
    own.addEventListener("click", () => { forget(shot); touch(); button.click(); button.click(); });
    video.pause();
    video.currentTime = 0;
    const tools = element("div", { className: "row laying" });
    tools.append(time, own);
    board.append(svg, tools);
  });
  return button;
}

// What can be done now, and how far it is.
function state() {
  const going = Boolean(busy());
  $("film-progress").hidden = !going;
  $("film-bar").value = film?.progress ?? 0;
  $("film-make").disabled = going || script.shots.some((shot) => !shot.prompt.trim());
  $("film-stop").hidden = !going;
  $("film-delete").hidden = !film || going;
  $("film-download").hidden = !film?.has_content || dirty;
  if (film) $("film-download").href = `/v1/films/${film.id}/content`;
  const made = film ? film.shots.filter((shot) => shot.takes.length).length : 0;
  $("film-said").textContent = going ? `Making takes: ${film.progress}%` : film?.status === "failed" ? film.error.message
    : film ? `${made} of ${script.shots.length} shots have a take.${film.has_content && !dirty ? " The film is put together." : ""}` : "";
  $("film-said").classList.toggle("problem", film?.status === "failed");
}

async function make() {
  await act(async () => {
    const json = { script };
    const saved = film ? await call(`/v1/films/${film.id}`, { method: "PUT", json }) : await call("/v1/films", { method: "POST", json });
    film = saved; // so that an error below leaves it known
    dirty = false;
    return call(`/v1/films/${saved.id}/takes`, { method: "POST", json: {} });
  });
}

const stop = () => act(() => call(`/v1/films/${film.id}/cancel`, { method: "POST" }));

async function remove() {
  if (!confirm("Delete this film with all its takes?")) return;
  try {
    await call(`/v1/films/${film.id}`, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) return complain(error.message);
  }
  films = films.filter((one) => one.id !== film.id);
  choose("");
  list();
}

async function act(what) {
  $("film-problem").hidden = true;
  try {
    show(await what());
  } catch (error) {
    complain(error.message);
    state();
  }
}

function complain(text) {
  $("film-problem").textContent = text;
  $("film-problem").hidden = false;
}
