// The eye: fifteen short films, some with one thing wrong; click where. Answers and scores stay in this page.

import { element } from "./check.js";

const $ = (id) => document.getElementById(id);
const ROUND = 5, ROUNDS = ["before", "while learning", "after"], MARGIN = 0.04; // parts of the picture that a click may be off
const CALM = matchMedia("(prefers-reduced-motion: reduce)").matches;
let films = [], game = null;

export async function ready() {
  $("eye-start").addEventListener("click", start);
  $("eye-fine").addEventListener("click", () => answer(null));
  $("eye-next").addEventListener("click", next);
  $("eye-again").addEventListener("click", () => { $("eye-film").currentTime = 0; $("eye-film").play(); });
  $("eye-pause").addEventListener("click", () => ($("eye-film").paused ? $("eye-film").play() : $("eye-film").pause()));
  for (const name of ["play", "pause"]) $("eye-film").addEventListener(name, () => { $("eye-pause").textContent = $("eye-film").paused ? "Play" : "Pause"; });
  $("eye-film").addEventListener("error", () => { if (game?.open) $("eye-said").textContent = "This film does not come: is the server away? Say that nothing is wrong to go on."; });
  const board = $("eye-board");
  board.addEventListener("click", (event) => {
    const { left, top, width, height } = board.getBoundingClientRect();
    answer({ x: (event.clientX - left) / width, y: (event.clientY - top) / height });
  });
  board.addEventListener("keydown", (event) => { // a cross to be moved, for those without a mouse
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (by) {
      event.preventDefault();
      const at = game.cross ?? { x: 0.5, y: 0.5 };
      game.cross = { x: Math.min(1, Math.max(0, at.x + 0.04 * by[0])), y: Math.min(1, Math.max(0, at.y + 0.04 * by[1])) };
      place($("eye-cross"), game.cross);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      if (event.repeat) return; // the key that began the film is still held
      answer(game.cross ?? { x: 0.5, y: 0.5 });
    }
  });
}

const place = (mark, { x, y }) => { mark.hidden = false; mark.style.left = `${100 * x}%`; mark.style.top = `${100 * y}%`; };
const shuffled = (list) => list.map((one) => [Math.random(), one]).sort((a, b) => a[0] - b[0]).map(([, one]) => one);

// Each round has three films with faults of different kinds and two without, in any order; no film comes twice.
export function deal(all) {
  const right = shuffled(all.filter((one) => !one.fault)), kinds = [...new Set(all.map((one) => one.fault).filter(Boolean))];
  const left = Object.fromEntries(kinds.map((kind) => [kind, shuffled(all.filter((one) => one.fault === kind))]));
  return ROUNDS.flatMap((_, round) => shuffled([...shuffled(kinds).slice(0, 3).map((kind) => left[kind].pop()), ...right.slice(2 * round, 2 * round + 2)]));
}

// Which part of the picture counts as found, on average: what a click anywhere would find.
export const blind = (order) => {
  const wrong = order.filter((film) => film.fault), side = (at, length) => Math.min(1, at + length + MARGIN) - Math.max(0, at - MARGIN);
  return wrong.reduce((sum, { box: [left, top, width, height] }) => sum + side(left, width) * side(top, height), 0) / wrong.length;
};

async function start() {
  try {
    if (!films.length) {
      const answer = await fetch("eye.json");
      if (!answer.ok) throw new Error(answer.status);
      films = await answer.json();
    }
  } catch {
    $("eye-away").textContent = "The films do not come: is the server away?";
    return;
  }
  $("eye-away").textContent = "";
  game = { order: deal(films), at: -1, answers: [], cross: null, open: false };
  $("eye-game").hidden = false;
  $("eye-start").hidden = $("eye-result").hidden = true;
  next();
}

async function next() {
  game.at++;
  if (game.at === game.order.length) return finish();
  const film = game.order[game.at];
  for (const id of ["eye-cross", "eye-click", "eye-box", "eye-next"]) $(id).hidden = true;
  game.cross = null;
  game.open = true;
  $("eye-fine").disabled = false;
  $("eye-far").textContent = `Film ${game.at + 1} of ${game.order.length}: ${ROUNDS[Math.floor(game.at / ROUND)]}`;
  $("eye-said").textContent = "Is something wrong? Click where, or say that nothing is.";
  $("eye-film").src = film.file;
  if (!CALM) $("eye-film").play().catch(() => {}); // whoever wants no motion starts it by hand
  $("eye-board").focus();
}

// A click, or null for a film in which nothing is said to be wrong.
function answer(click) {
  if (!game?.open) return;
  const film = game.order[game.at], round = Math.floor(game.at / ROUND);
  game.open = false;
  $("eye-fine").disabled = true;
  const [left, top, width, height] = film.box;
  const near = (value, at, length) => value > at - MARGIN && value < at + length + MARGIN, hit = film.fault && click && near(click.x, left, width) && near(click.y, top, height);
  game.answers.push({ round, fault: film.fault, claimed: Boolean(click), hit: Boolean(hit) });
  if (click) place($("eye-click"), click);
  if (round !== 1) { // before and after nothing is told, so that both are alike
    $("eye-said").textContent = "Kept. What it was is told at the end.";
  } else {
    if (film.fault) {
      const box = $("eye-box");
      box.hidden = false;
      Object.assign(box.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * width}%`, height: `${100 * height}%` });
      $("eye-film").currentTime = Math.max(0, (film.first - 2) / film.fps);
    }
    $("eye-said").textContent = film.fault
      ? `${hit ? "Found" : click ? "Not there" : "Missed"}: ${film.said}.`
      : click ? "A false alarm: nothing is wrong in this one." : "Right: nothing is wrong in this one.";
  }
  $("eye-next").hidden = false;
  $("eye-next").focus();
}

// Hits and false alarms of a round, apart: who calls everything wrong finds every fault.
export function tally(answers, round) {
  const own = answers.filter((one) => one.round === round), wrong = own.filter((one) => one.fault), right = own.filter((one) => !one.fault);
  return { hits: wrong.filter((one) => one.hit).length, faults: wrong.length, alarms: right.filter((one) => one.claimed).length, fine: right.length };
}

function finish() {
  $("eye-game").hidden = true;
  $("eye-start").hidden = $("eye-result").hidden = false;
  $("eye-start").textContent = "Once more";
  const rows = ROUNDS.map((name, round) => {
    const { hits, faults, alarms, fine } = tally(game.answers, round);
    return element("tr", {}, element("th", { scope: "row", textContent: name }), element("td", { textContent: `${hits} of ${faults}` }), element("td", { textContent: `${alarms} of ${fine}` }));
  });
  $("eye-table").replaceChildren(element("tr", {}, element("td"), element("th", { scope: "col", textContent: "faults found" }), element("th", { scope: "col", textContent: "false alarms" })), ...rows);
  $("eye-blind").textContent = `A click anywhere would find ${Math.round(100 * blind(game.order))}% of them.`;
  const missed = game.order.filter((film, place) => film.fault && !game.answers[place].hit);
  $("eye-missed").replaceChildren(...missed.map((film) => element("li", { textContent: film.said })));
  $("eye-missed-title").hidden = !missed.length;
  $("eye-result").focus();
}
