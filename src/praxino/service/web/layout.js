// A layout over a frame: the boxes of its things, the paths that they take, and how both are moved.

const SVG = "http://www.w3.org/2000/svg";
const STEP = 0.02, GROW = 1.05; // of one key press
const shape = (name, attributes) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

// How much of a movement each of `count` frames takes part in: all of it, or less towards the other end.
const SHARES = {
  whole: () => 1,
  beginning: (frame, count) => (count > 1 ? 1 - frame / (count - 1) : 1),
  end: (frame, count) => (count > 1 ? frame / (count - 1) : 1),
};

export const called = (thing) => `${thing.colour} ${thing.kind}`;

// Moves a thing by (dx, dy), in picture heights.
export function moved(thing, part, dx, dy) {
  const share = SHARES[part];
  return { ...thing, boxes: thing.boxes.map(([x, y, width, height], frame, all) => [
    x + dx * share(frame, all.length), y + dy * share(frame, all.length), width, height]) };
}

export function grown(thing, by) {
  return { ...thing, boxes: thing.boxes.map(([x, y, width, height]) => [x, y, width * by, height * by]) };
}

// An SVG to lie over a film of the layout's proportions; `frame()` is the one that is shown, `changed` gets each new layout.
export function editor(layout, frame, changed) {
  const svg = shape("svg", { viewBox: `0 0 ${layout.aspect} 1`, class: "layout", role: "group", "aria-label": "What is where" });
  let held = null;

  function replace(place, thing) {
    layout = { ...layout, things: layout.things.map((each, at) => (at === place ? thing : each)) };
    draw();
  }

  function draw() {
    const focus = document.activeElement?.dataset?.handle;
    svg.replaceChildren(...layout.things.flatMap((thing, place) => {
      const at = thing.boxes[Math.min(frame(), thing.boxes.length - 1)], [x, y, width, height] = at;
      const group = shape("g", { class: `thing thing-${place}` });
      group.append(shape("polyline", { points: thing.boxes.map(([px, py]) => `${px},${py}`).join(" ") }));
      group.append(handle(place, "whole", shape("rect", { x: x - width / 2, y: y - height / 2, width, height })));
      for (const [part, box] of [["beginning", thing.boxes[0]], ["end", thing.boxes.at(-1)]]) {
        group.append(shape("circle", { cx: box[0], cy: box[1], r: 0.02, class: part }));
        group.append(handle(place, part, shape("circle", { cx: box[0], cy: box[1], r: 0.07, class: "touch" })));
      }
      return [group];
    }));
    if (focus) svg.querySelector(`[data-handle="${focus}"]`)?.focus();
  }

  function handle(place, part, mark) {
    const thing = layout.things[place], where = { whole: "all of its way", beginning: "where it begins", end: "where it ends" }[part];
    for (const [key, value] of Object.entries({ tabindex: 0, role: "button", "aria-label": `${called(thing)}: ${where}. Arrow keys move it${part === "whole" ? ", plus and minus change its size" : ""}.`, "data-handle": `${place}-${part}` })) mark.setAttribute(key, value);
    mark.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      held = { place, part, at: point(event), thing: layout.things[place] };
      svg.setPointerCapture(event.pointerId);
      mark.focus();
    });
    mark.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
      const size = part === "whole" && { "+": GROW, "-": 1 / GROW }[event.key];
      if (!way && !size) return;
      event.preventDefault();
      replace(place, way ? moved(layout.things[place], part, ...way) : grown(layout.things[place], size));
      changed(layout);
    });
    return mark;
  }

  // Where a pointer is, in picture heights.
  function point(event) {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [x, y];
  }

  svg.addEventListener("pointermove", (event) => {
    if (!held) return;
    const [x, y] = point(event);
    replace(held.place, moved(held.thing, held.part, x - held.at[0], y - held.at[1]));
  });
  for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, () => {
    if (held && layout.things[held.place] !== held.thing) changed(layout);
    held = null;
  });
  draw();
  return { svg, draw };
}
