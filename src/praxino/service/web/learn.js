// The Learn tab: noise and its schedules, two ways to learn a cloud of points, and the eye.

import { element } from "./check.js";
import * as eye from "./eye.js";
import { CLOUDS, Diffusion, Gan, census, draw, weights, DRAWN } from "./race.js";
import { chance } from "./net.js";

const $ = (id) => document.getElementById(id);
const SIDE = 300, SPAN = 1.7, BUDGET = 12; // pixels; half of what is shown; milliseconds of a frame that are for learning
let ways = [], cloud = CLOUDS.ring, running = false, steps = 0;

export function ready() {
  for (const [name, { title }] of Object.entries(CLOUDS)) $("race-cloud").append(element("option", { value: name, textContent: title }));
  $("race-cloud").addEventListener("change", reset);
  $("race-reset").addEventListener("click", reset);
  $("race-go").addEventListener("click", () => { running = !running; go(); });
  $("race-hundred").addEventListener("click", () => { for (let i = 0; i < 100; i++) learn(); show(); });
  $("schedule-step").addEventListener("input", schedule);
  $("schedule-which").addEventListener("change", schedule);
  eye.ready();
  reset();
  schedule();
}

export const leave = () => { running = false; go(); };

function reset() {
  cloud = CLOUDS[$("race-cloud").value || "ring"];
  const seed = Math.floor(Math.random() * 2 ** 31);
  ways = [new Gan(cloud, seed), new Diffusion(cloud, seed)];
  steps = 0;
  $("race-sizes").textContent = `A GAN of ${weights(ways[0]).toLocaleString("en")} weights and a diffusion model of ${weights(ways[1]).toLocaleString("en")}, learning here and now from the same points.`;
  show();
}

function learn() {
  for (const way of ways) way.step();
  steps++;
}

function go() {
  $("race-go").textContent = running ? "Pause" : "Start";
  if (!running) return;
  const began = performance.now();
  while (performance.now() - began < BUDGET) learn();
  if (steps % 3 === 0) show();
  requestAnimationFrame(() => running && go());
}

function show() {
  $("race-step").textContent = `${steps.toLocaleString("en")} steps of 128 points each`;
  const truth = draw(cloud, DRAWN, chance(1));
  ways.forEach((way, place) => {
    const points = way.sample(DRAWN), { hit, of, near } = census(cloud, points), name = ["gan", "diffusion"][place];
    dots($(`race-${name}`), truth, points);
    $(`race-${name}-said`).textContent = `${hit} of ${of} places, ${Math.round(100 * near)}% of the points at one`;
  });
}

function dots(canvas, truth, points) {
  const pen = canvas.getContext("2d"), ink = getComputedStyle(canvas), at = (v) => SIDE / 2 * (1 + v / SPAN);
  canvas.width = canvas.height = SIDE;
  for (const [set, colour, size] of [[truth, ink.outlineColor, 2], [points, ink.color, 3]]) {
    pen.fillStyle = colour;
    for (let k = 0; k < set.length; k += 2) pen.fillRect(at(set[k]) - size / 2, at(-set[k + 1]) - size / 2, size, size);
  }
}

// How much of the picture is left after each of a thousand steps: abar of the papers' chains.
export function abar(which) {
  const result = [1], cosine = (t) => Math.cos((t + 0.008) / 1.008 * Math.PI / 2) ** 2;
  for (let n = 1; n <= 1000; n++) {
    const beta = which === "linear" ? 1e-4 + (0.02 - 1e-4) * (n - 1) / 999 : Math.min(0.999, 1 - cosine(n / 1000) / cosine((n - 1) / 1000));
    result.push(result[n - 1] * (1 - beta));
  }
  return result;
}

function schedule() {
  const which = $("schedule-which").value, step = Number($("schedule-step").value), chain = which === "flow" ? null : abar(which);
  const share = (n) => chain ? Math.sqrt(chain[n]) : 1 - n / 1000, noise = (n) => chain ? Math.sqrt(1 - chain[n]) : n / 1000;
  const line = (f) => Array.from({ length: 101 }, (_, i) => `${i},${(100 * (1 - f(10 * i))).toFixed(2)}`).join(" ");
  $("schedule-picture").setAttribute("points", line(share));
  $("schedule-noise").setAttribute("points", line(noise));
  $("schedule-now").setAttribute("x1", step / 10);
  $("schedule-now").setAttribute("x2", step / 10);
  const decibels = 20 * Math.log10(Math.max(1e-6, share(step)) / Math.max(1e-6, noise(step)));
  $("schedule-said").textContent = `step ${step}: ${(100 * share(step)).toFixed(1)}% of the picture, ${(100 * noise(step)).toFixed(1)}% noise; ${decibels >= 0 ? "+" : ""}${decibels.toFixed(1)} dB`;
}
