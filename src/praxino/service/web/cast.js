// Characters: the menu that opens behind an @ in a sentence, and the dialog in which they are added and removed.

import { call } from "./api.js";
import { element } from "./check.js";

const $ = (id) => document.getElementById(id);
let all = [], changed = () => {}, removing = null;

export const characters = () => all;

export function ready(then) {
  changed = then;
  $("character-add").addEventListener("click", () => open(null));
  $("character-close").addEventListener("click", () => $("character").close());
  $("character-form").addEventListener("submit", (event) => { event.preventDefault(); add(); });
  $("character-remove").addEventListener("click", remove);
  $("character-kind").addEventListener("change", consents);
}

export async function load() {
  all = (await call("/v1/videos/characters")).data;
  $("cast").replaceChildren(...all.map((one) => {
    const chip = element("button", { type: "button", className: "chip", title: one.description });
    chip.append(face(one), `@${one.name}`);
    if (one.proposals.length) chip.append(element("span", { className: "badge warm", textContent: `${one.proposals.length} new` }));
    chip.addEventListener("click", () => open(one));
    return chip;
  }));
  $("cast-none").hidden = all.length > 0;
  changed();
}

const face = (one) => element("img", { alt: "", src: one.pictures[0]?.url ?? "icon.svg", width: 32, height: 32 });

// Only people must agree: the tick is there where it is asked for.
const consents = () => { $("character-agreed").hidden = $("character-kind").value !== "character"; };

function open(one) {
  removing = one?.name ?? null;
  $("character-title").textContent = one ? `@${one.name}` : "A new character";
  $("character-name").value = one?.name ?? "";
  $("character-name").readOnly = Boolean(one);
  $("character-kind").value = one?.kind ?? "character";
  $("character-description").value = one?.description ?? "";
  $("character-pictures").value = "";
  $("character-consent").checked = false;
  $("character-faces").replaceChildren(...(one?.pictures ?? []).map((each) => {
    const figure = element("figure"), button = element("button", { type: "button", textContent: "×", ariaLabel: `Forget this picture of @${one.name}` });
    button.addEventListener("click", () => answer(one, `pictures/${each.digest}`, "DELETE"));
    figure.append(element("img", { src: each.url, alt: `@${one.name}, ${each.origin}` }), button);
    return figure;
  }));
  propose(one);
  $("character-remove").hidden = !one;
  $("character-problem").hidden = true;
  consents();
  if (!$("character").open) $("character").showModal();
}

// Pictures out of films, each of which may become one of a character's.
function propose(one) {
  $("character-proposals").replaceChildren(...(one?.proposals ?? []).map((each) => {
    const row = element("div", { className: "row" });
    row.append(element("img", { src: each.url, alt: `@${one.name}, ${each.origin}, likeness ${each.likeness.toFixed(2)}` }));
    for (const [text, method] of [["Remember it", "POST"], ["No", "DELETE"]]) {
      const button = element("button", { type: "button", textContent: text });
      button.addEventListener("click", () => answer(one, `proposals/${each.digest}`, method));
      row.append(button);
    }
    return row;
  }));
  $("character-asked").hidden = !one?.proposals.length;
}

async function answer(one, picture, method) {
  try {
    open(await call(`/v1/videos/characters/${one.name}/${picture}`, { method }));
  } catch (error) {
    $("character-problem").textContent = error.message;
    $("character-problem").hidden = false;
  }
  await load();
}

async function add() {
  const form = new FormData($("character-form"));
  if (!form.get("pictures").size && !form.get("pictures").name) form.delete("pictures");
  form.set("consent", $("character-consent").checked);
  try {
    if (form.has("pictures")) await call("/v1/videos/characters", { method: "POST", form });
    else await call("/v1/videos/characters", { method: "POST", json: { name: form.get("name"), kind: form.get("kind"), description: form.get("description"), consent: $("character-consent").checked } });
    $("character").close();
    await load();
  } catch (error) {
    $("character-problem").textContent = error.message;
    $("character-problem").hidden = false;
  }
}

async function remove() {
  if (!confirm(`Forget @${removing}, with all its pictures?`)) return;
  try {
    await call(`/v1/videos/characters/${removing}`, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) { $("character-problem").textContent = error.message; $("character-problem").hidden = false; return; }
  }
  $("character").close();
  await load();
}

// Opens the menu where an @ is written into a field: arrows choose, Enter and Tab take, Escape closes.
export function mention(field, names = () => all) {
  const menu = element("ul", { className: "menu", hidden: true, role: "listbox", ariaLabel: "Characters" });
  menu.id = `menu-${field.id}`;
  field.setAttribute("aria-controls", menu.id);
  field.setAttribute("aria-expanded", "false");
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  const box = element("div", { className: "field" });
  field.replaceWith(box);
  box.append(field, menu);
  let at = 0;
  const begun = () => /(^|[^\w@])@(\w*)$/.exec(field.value.slice(0, field.selectionStart));
  const close = () => { menu.hidden = true; field.setAttribute("aria-expanded", "false"); field.removeAttribute("aria-activedescendant"); };
  const mark = () => [...menu.children].forEach((item, place) => {
    item.setAttribute("aria-selected", place === at);
    if (place === at) field.setAttribute("aria-activedescendant", item.id);
  });
  const take = (name) => {
    const before = field.value.slice(0, field.selectionStart).replace(/@\w*$/, `@${name} `);
    field.value = before + field.value.slice(field.selectionStart).trimStart();
    field.setSelectionRange(before.length, before.length);
    close();
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  };
  field.addEventListener("input", () => {
    const match = begun();
    const fits = match ? names().filter((one) => one.name.toLowerCase().startsWith(match[2].toLowerCase())).slice(0, 8) : [];
    if (!fits.length || (fits.length === 1 && fits[0].name === match[2])) return close();
    at = 0;
    menu.replaceChildren(...fits.map((one, place) => {
      const item = element("li", { role: "option", id: `${menu.id}-${place}` });
      item.append(face({ pictures: one.pictures ?? [] }), element("span", { textContent: `@${one.name}` }), element("small", { textContent: one.description ?? "" }));
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(one.name); });
      return item;
    }));
    menu.hidden = false;
    field.setAttribute("aria-expanded", "true");
    mark();
  });
  field.addEventListener("keydown", (event) => {
    if (menu.hidden) return;
    const count = menu.children.length;
    if (event.key === "ArrowDown") at = (at + 1) % count;
    else if (event.key === "ArrowUp") at = (at + count - 1) % count;
    else if (event.key === "Enter" || event.key === "Tab") { event.preventDefault(); take(menu.children[at].querySelector("span").textContent.slice(1)); return; }
    else if (event.key === "Escape") { event.stopPropagation(); close(); return; }
    else return;
    event.preventDefault();
    mark();
  });
  field.addEventListener("blur", close);
}
