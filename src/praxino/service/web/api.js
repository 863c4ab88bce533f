// Talks to the server: JSON in and out, errors as sentences, and events that go on after an interruption.

export class Refused extends Error {
  constructor(status, { message, code, param }, after = 0) {
    super(message);
    Object.assign(this, { status, code, param, after });
  }
}

export const online = new EventTarget(); // "up", "down", and "locked" where a key is needed

export async function call(path, { method = "GET", json, form } = {}) {
  const init = { method, body: form, headers: {} };
  if (json !== undefined) {
    init.body = JSON.stringify(json);
    init.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(path, init);
  } catch {
    online.dispatchEvent(new Event("down"));
    throw new Refused(0, { message: "The server does not answer." });
  }
  online.dispatchEvent(new Event("up"));
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => ({ error: { message: `The server said ${answer.status}.` } }));
  if (answer.status === 401) online.dispatchEvent(new Event("locked"));
  if (!answer.ok) {
    const problem = body.error ?? { message: body.detail ?? `The server said ${answer.status}.` };
    throw new Refused(answer.status, problem, Number(answer.headers.get("Retry-After")));
  }
  return body;
}

// Follows a film until it ends; handlers: progress, preview, done, deleted. Returns a function that stops following.
export function follow(id, handlers) {
  let source, over = false, again;
  const open = () => {
    source = new EventSource(`/v1/videos/${id}/events`);
    for (const name of ["progress", "preview", "done", "deleted"]) {
      source.addEventListener(name, (event) => {
        online.dispatchEvent(new Event("up"));
        if (name === "done" || name === "deleted") end();
        handlers[name]?.(JSON.parse(event.data));
      });
    }
    source.onerror = async () => { // the server went away, or the film did: ask before trying for ever
      source.close();
      if (over) return;
      let film = null, gone = false;
      try {
        film = await call(`/v1/videos/${id}`);
      } catch (error) {
        gone = error.status === 404;
        if ([401, 403].includes(error.status)) end();
      }
      if (over) return; // nobody follows it any more
      if (gone) { end(); handlers.deleted?.({ id }); return; }
      if (film && ended(film)) { end(); handlers.done?.(film); return; }
      again = setTimeout(open, 1500);
    };
  };
  const end = () => { over = true; clearTimeout(again); source.close(); };
  open();
  return end;
}

export const ended = (job) => ["completed", "failed", "cancelled"].includes(job.status);
