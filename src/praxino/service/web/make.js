// The Make tab: an order, the stage on which one film forms or plays, and the strip of all of them.

import { call, ended, follow } from "./api.js";
import * as cast from "./cast.js";
import { dropping, element } from "./check.js";
import { draw, share } from "./noise.js";
import * as strip from "./strip.js";

const $ = (id) => document.getElementById(id);
const IDEAS = [
  "a golden dog plays fetch with a red ball in a sunlit park", "a sailboat at sunset under drifting clouds",
  "a city at night, the camera pans left", "a purple sun over a green sea", "a red car and a blue car racing",
];
const CALM = matchMedia("(prefers-reduced-motion: reduce)").matches;
let models = [], shown = null, leave = () => {}, picture = null, carried = {}, elsewhere = {}, asking;

export function ready(others) {
  elsewhere = others;
  $("ideas").replaceChildren(...IDEAS.map((text) => {
    const idea = element("button", { type: "button", textContent: text });
    idea.addEventListener("click", () => { $("prompt").value = text; $("prompt").focus(); });
    return idea;
  }));
  $("order").addEventListener("submit", (event) => { event.preventDefault(); order(); });
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("order").requestSubmit();
  });
  cast.mention($("prompt"));
  $("prompt").addEventListener("input", strengths);
  $("longer").addEventListener("click", longer);
  $("picture").addEventListener("change", () => give($("picture").files[0]));
  $("given-remove").addEventListener("click", () => give(null));
  dropping($("make"), $("order"), (files) => files?.length && give(files[0]));
  $("model").addEventListener("change", () => { carry({}); fill(model()); });
  $("reset").addEventListener("click", () => { carry({}); fill(model()); });
  $("stop").addEventListener("click", stop);
  $("turn").addEventListener("submit", (event) => { event.preventDefault(); turn(); });
  $("level").addEventListener("input", forward);
  $("play").addEventListener("click", () => ($("film").paused ? $("film").play() : $("film").pause()));
  for (const name of ["play", "pause"]) $("film").addEventListener(name, () => { $("play").textContent = $("film").paused ? "Play" : "Pause"; });
  $("reuse").addEventListener("click", () => use(shown));
  $("again").addEventListener("click", again);
  $("examine").addEventListener("click", () => elsewhere.examine(shown));
  $("remove").addEventListener("click", remove);
  strip.ready({ choose: show, used: use });
  setInterval(flicker, CALM ? 1000 : 90);
  setInterval(() => document.hidden || strip.freshen(), 3000); // films that others order, or that form off the stage
  draw($("noise"), null, 1000);
  refresh();
}

// What there is on the server, after a reload, after it was away, after a key was given.
export async function refresh() {
  try {
    await know();
    await strip.load();
    await cast.load();
    strengths();
    $("problem").hidden = true;
    const open = strip.films().find((film) => !ended(film));
    const before = shown && (await call(`/v1/videos/${shown.id}`).catch(() => null));
    show(before ?? open ?? strip.films()[0] ?? null);
  } catch (error) {
    if (error.status > 0 && error.status !== 401) complain(error.message);
  }
}

async function know() {
  models = (await call("/v1/models")).data;
  $("state").textContent = !models.length ? "The model is being loaded…" : models.some((each) => each.ready) ? "" : "No worker lives: films wait in the queue";
  clearTimeout(asking);
  asking = setTimeout(() => know().catch(() => {}), models.some((each) => each.ready) ? 15000 : 1500);
  const chosen = $("model").value;
  $("model").replaceChildren(...models.map((each) => element("option", { textContent: each.id })));
  if (models.some((each) => each.id === chosen)) $("model").value = chosen;
  else if (models.length) { carry({}); fill(models[0]); }
}

const model = () => models.find((each) => each.id === $("model").value) ?? models[0];

function fill(of) {
  if (!of) return;
  const own = of.defaults, step = of.compression[0] * of.patch[0];
  const whole = [...new Set([1, 2, 3, 4, 5, 8, 10, ...(of.window ? [20, 30, 60] : []), (own.frames - 1) / own.fps])].sort((a, b) => a - b).filter((s) => Number.isInteger(s * own.fps / step));
  $("seconds").replaceChildren(...whole.map((s) => element("option", { value: String(s), textContent: String(s) })));
  $("seconds").value = String((own.frames - 1) / own.fps);
  $("sampler").replaceChildren(...of.samplers.map((name) => element("option", { textContent: name })));
  const values = { size: `${own.width}x${own.height}`, steps: own.steps, guidance: own.guidance, sampler: own.sampler, enhance: own.enhance, seed: "", negative: own.negative };
  for (const [name, value] of Object.entries(values)) $(name).value = value;
  $("attach").hidden = !of.pictures;
  $("enhance-label").hidden = !of.refines;
  $("longer").hidden = !of.grammar;
}

// The settings of a film, back into the form, with those that the form does not show, and its picture.
async function use(film) {
  if (!film) return;
  give(null);
  if (models.some((each) => each.id === film.model)) { $("model").value = film.model; fill(model()); }
  if (![...$("seconds").options].some((each) => each.value === film.seconds)) $("seconds").append(element("option", { value: film.seconds, textContent: film.seconds }));
  const values = { prompt: film.prompt, seconds: film.seconds, size: film.size, steps: film.num_inference_steps, guidance: film.guidance_scale,
    sampler: film.settings.sampler, enhance: film.settings.enhance ?? "off", seed: film.seed, negative: film.negative_prompt };
  for (const [name, value] of Object.entries(values)) $(name).value = value;
  carry(film);
  $("settings").open = true;
  $("prompt").focus();
  if (!film.input_reference) return;
  const answer = await fetch(`/v1/videos/${film.id}/content?variant=input_reference`).catch(() => null);
  if (answer?.ok) give(await answer.blob());
  else complain("The picture that it began with is gone.");
}

// What a film was made with that has no field: kept for the next order, and said.
function carry({ fps, flow_shift, guidance_scale_2, settings }) {
  carried = { fps, flow_shift, guidance_scale_2, settings };
  const own = model()?.defaults ?? {}, { sampler, enhance, ...others } = settings ?? {};
  const differs = (value, usual) => (value === usual ? null : value);
  const said = { "frames a second": differs(fps, own.fps), shift: differs(flow_shift, own.shift), "second guidance": guidance_scale_2, ...others };
  const word = (value) => value.things ? "of its own" : (typeof value === "boolean" ? (value ? "on" : "off") : [value].flat().join(" to "));
  const all = Object.entries(said).filter(([, value]) => value != null).map(([name, value]) => `${name.replace("_", " ")} ${word(value)}`);
  $("kept").textContent = `Kept from that film: ${all.join(", ")}.`;
  $("kept").hidden = !all.length;
}

// The same film of other noise, with all that it was made of.
async function again() {
  try {
    const json = { prompt: shown.prompt, seed: Math.floor(Math.random() * 2 ** 31) };
    const film = await call(`/v1/videos/${shown.id}/remix`, { method: "POST", json });
    strip.put(film);
    show(film);
  } catch (error) {
    complain(error.message);
  }
}

function give(file) {
  picture = file ?? null;
  $("picture").value = "";
  $("given").hidden = !picture;
  if ($("given-image").src) URL.revokeObjectURL($("given-image").src);
  if (picture) $("given-image").src = URL.createObjectURL(picture);
}

// For each character that the sentence calls, how much its pictures count: 1 as trained.
function strengths() {
  const called = [...$("prompt").value.matchAll(/(?<![\w@])@(\w+)/g)].map((match) => match[1].toLowerCase());
  const there = cast.characters().filter((one) => one.pictures.length && called.includes(one.name.toLowerCase()));
  const old = Object.fromEntries([...$("strengths").querySelectorAll("input")].map((dial) => [dial.dataset.name, dial.value]));
  $("strengths").replaceChildren(...there.map((one) => {
    const dial = element("input", { type: "range", min: 0, max: 2, step: 0.1, value: old[one.name] ?? 1 });
    const said = element("output", { textContent: dial.value });
    dial.dataset.name = one.name;
    dial.addEventListener("input", () => { said.textContent = dial.value; });
    const label = element("label", { className: "slider" });
    label.append(`@${one.name}`, dial, said);
    return label;
  }));
  $("strengths").hidden = !there.length;
}

// The sentence as the grammar completes it: it stands in the field, to be changed before a film is made.
async function longer() {
  $("problem").hidden = true;
  try {
    const json = { prompt: $("prompt").value, model: $("model").value, seed: Number($("seed").value) || 0 };
    $("prompt").value = (await call("/v1/captions", { method: "POST", json })).prompt_used;
    strengths();
    $("prompt").focus();
  } catch (error) {
    complain(error.message);
  }
}

async function order() {
  if (!$("order").checkValidity()) $("settings").open = true; // what is wrong may be in there
  if (!$("order").reportValidity()) return;
  $("problem").hidden = true;
  const form = new FormData($("order"));
  for (const [name, value] of [...form]) if (value === "") form.delete(name);
  const enhance = model()?.refines ? form.get("enhance") : undefined;
  form.set("extra_params", JSON.stringify({ ...carried.settings, sampler: form.get("sampler") ?? undefined, enhance }));
  for (const name of ["fps", "flow_shift", "guidance_scale_2"]) if (carried[name]) form.set(name, carried[name]);
  for (const name of ["sampler", "enhance"]) form.delete(name);
  const dials = [...$("strengths").querySelectorAll("input")].filter((dial) => dial.value !== "1");
  if (dials.length) form.set("references", JSON.stringify(dials.map((dial) => ({ name: dial.dataset.name, strength: Number(dial.value) }))));
  if (picture) form.append("input_reference", picture, "picture");
  $("go").disabled = true;
  try {
    const film = await call("/v1/videos", { method: "POST", form });
    strip.put(film);
    show(film);
    if (matchMedia("(max-width: 46rem)").matches) $("stage").scrollIntoView({ behavior: CALM ? "auto" : "smooth" });
  } catch (error) {
    complain(error.message);
  } finally {
    $("go").disabled = false;
  }
}

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = false;
}

// Puts one film on the stage: playing if it has ended, forming if not.
function show(film) {
  leave();
  leave = () => {};
  const same = shown?.id === film?.id;
  shown = film;
  strip.mark(film?.id);
  if (!same) { $("preview").hidden = true; $("film").removeAttribute("src"); $("film").load(); $("level").value = 0; }
  $("caption").textContent = film?.prompt ?? "";
  const state = !film ? "empty" : !ended(film) ? "making" : film.has_content ? "made" : "nothing";
  $("stage").dataset.state = state;
  $("making").hidden = state !== "making";
  $("made").hidden = state !== "made" && state !== "nothing";
  $("noise").hidden = state === "made";
  $("film").hidden = state !== "made";
  for (const name of ["download", "play", "examine"]) $(name).hidden = state !== "made";
  $("level").parentElement.hidden = state !== "made";
  if (state === "making") watch(film);
  if (state === "made") playing(film);
  if (state === "nothing") facts(film, film.error?.message ?? "It was stopped before there was anything to see.");
  forward();
}

// Films that are made window by window can be seen from the first one on.
function forming(film) {
  const { window } = models.find((each) => each.id === film.model) ?? {}, place = $("film");
  const long = Boolean(window) && film.num_frames > window;
  $("turn").hidden = !long;
  if (!long || (film.settings.enhance ?? "off") !== "off" || place.getAttribute("src")) return;
  place.removeAttribute("poster");
  place.src = `/v1/videos/${film.id}/stream`;
  place.addEventListener("loadeddata", () => {
    if (shown?.id !== film.id || $("stage").dataset.state !== "making") return;
    place.hidden = false;
    $("noise").hidden = $("preview").hidden = true;
    place.play().catch(() => {});
  }, { once: true });
  place.addEventListener("error", () => { // tried again with the next progress
    if ($("stage").dataset.state === "making") place.removeAttribute("src");
  }, { once: true });
}

function watch(film) {
  $("stop").disabled = false;
  progress(film);
  $("turn").hidden = true;
  if (film.status === "in_progress") forming(film);
  leave = follow(film.id, {
    progress: (now) => {
      progress(now);
      strip.put({ ...film, ...now });
      if (now.status === "in_progress") forming(film);
    },
    preview: ({ image, step }) => {
      if (!$("film").hidden) return; // it plays already, as far as it is there
      $("preview").src = image;
      $("preview").alt = `The film as it is at step ${step}`;
      $("preview").hidden = false;
    },
    done: (done) => {
      strip.put(done);
      announce(done.has_content ? "The film is made." : done.error?.message ?? "The film was stopped.");
      show(done);
    },
    deleted: ({ id }) => { strip.drop(id); show(strip.films()[0] ?? null); },
  });
}

function progress(now) {
  const { status, queue_position: before, progress: percent = 0, step = 0, eta_seconds: eta } = now;
  const steps = now.steps ?? now.num_inference_steps; // events say the one, films the other
  if (status === "queued" && !step) $("bar").removeAttribute("value");
  else $("bar").value = percent;
  const left = eta >= 1 ? `, about ${eta < 90 ? `${Math.round(eta)} s` : `${Math.round(eta / 60)} min`} left` : "";
  const long = eta > 60 ? " You may close this page: it goes on." : "";
  $("far").textContent = status === "queued" ? (before ? `Waiting: ${before} before it` : "It begins in a moment")
    : step ? `Step ${step} of ${steps}${left}.${long}` : "Reading the sentence…";
  if (percent && percent % 25 < 3) announce(`${percent} percent`);
}

const announce = (text) => { if ($("announced").textContent !== text) $("announced").textContent = text; };

function playing(film) {
  $("preview").hidden = true;
  $("film").poster = `/v1/videos/${film.id}/content?variant=thumbnail`;
  $("film").src = `/v1/videos/${film.id}/content`;
  if (!CALM) $("film").play().catch(() => {});
  $("download").href = `/v1/videos/${film.id}/content`;
  facts(film, film.status === "cancelled" ? `Stopped at step ${film.step} of ${film.num_inference_steps}.` : "");
}

function facts(film, first) {
  const all = [first, ...film.notes.map((note) => `${note[0].toUpperCase()}${note.slice(1)}.`), `${film.model}, ${film.size}, ${film.num_frames} frames, ${film.num_inference_steps} steps, guidance ${film.guidance_scale}, seed ${film.seed}`];
  $("facts").textContent = all.filter(Boolean).join(" ");
}

// Lets the film that is being made show something else from its next window on.
async function turn() {
  $("problem").hidden = true;
  try {
    await call(`/v1/videos/${shown.id}/turns`, { method: "POST", json: { prompt: $("turn-prompt").value } });
    announce(`Sent: ${$("turn-prompt").value}`);
    $("turn-prompt").value = "";
  } catch (error) {
    complain(error.message);
  }
}

async function stop() {
  $("stop").disabled = true;
  $("far").textContent = "Stopping…";
  try {
    const film = await call(`/v1/videos/${shown.id}/cancel`, { method: "POST" });
    if (ended(film)) { strip.put(film); show(film); }
  } catch (error) {
    if (error.status !== 409) { complain(error.message); $("stop").disabled = false; }
  }
}

async function remove() {
  const film = shown;
  if (!confirm(`Delete this film for good?\n\n${film.prompt}`)) return;
  try {
    await call(`/v1/videos/${film.id}`, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) return complain(error.message);
  }
  strip.drop(film.id);
  show(strip.films()[0] ?? null);
}

// The slider: what the model once began with, from the other end.
function forward() {
  const t = Number($("level").value), made = $("stage").dataset.state === "made";
  $("forward").hidden = !t || !made;
  $("level-said").textContent = t ? `step ${t} of 1000: ${Math.round(100 * share(t))}% of the picture is left` : "step 0: the film itself";
  if (t && made && $("film").readyState >= 2) draw($("forward"), $("film"), t);
}

function flicker() {
  if (document.hidden) return;
  if (!$("noise").hidden && (!CALM || !$("stage").dataset.drawn)) { draw($("noise"), null, 1000); $("stage").dataset.drawn = "yes"; }
  if (!$("forward").hidden) forward();
}
