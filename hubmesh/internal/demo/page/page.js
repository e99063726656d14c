// What one sees of two clients, and of a backend. Whatever came over the wire
// goes into the page as text, never as HTML.

import { Client } from "./client.js";

const framesKept = 200;
const saidKept = 200;
const meshEvery = 2000; // ms between two looks at the mesh's figures

const find = (id) => document.getElementById(id);
const clock = (ms) => new Date(ms ?? Date.now()).toLocaleTimeString();

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  element.className = name;
  element.append(...children);
  return element;
}

// append adds to a list that keeps its newest entries, and shows the newest
// unless the reader has scrolled back.
function append(list, item, kept) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(item);
  while (list.childElementCount > kept) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

// words is an event's data as a person reads it.
function words(data) {
  if (typeof data === "string") return data;
  if (typeof data?.text === "string") return data.text;
  return JSON.stringify(data);
}

// Side is one user: what their client tells, and what one can do as them.
class Side {
  constructor({ name, token }, room) {
    this.name = name;
    this.room = room;
    this.frames = 0;
    this.root = find("side").content.firstElementChild.cloneNode(true);
    this.label();
    this.part(".cut").onclick = () => this.toggle();
    this.part(".say").onsubmit = (submit) => this.say(submit);
    find("sides").append(this.root);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.client = new Client({ url: `${scheme}//${location.host}/ws`, token, room, hear: this });
  }

  part(selector) {
    return this.root.querySelector(selector);
  }

  label() {
    const { name } = this;
    this.root.id = `side-${name}`;
    this.root.setAttribute("aria-labelledby", `name-${name}`);
    this.part("h2").id = `name-${name}`;
    this.part("h2").textContent = name;
    this.part(".face").textContent = name.slice(0, 1);
    this.part(".sr").textContent = this.part("input").placeholder = `Say something as ${name}`;
    this.part(".said").setAttribute("aria-label", `What ${name} hears`);
    this.part(".frames").setAttribute("aria-label", `Frames of ${name}`);
  }

  // The following is what the client tells.

  state(is, detail) {
    this.part(".state").dataset.is = is;
    this.root.classList.toggle("is-cut", is === "cut");
    for (const control of this.part(".say").elements) control.disabled = is !== "connected";
    this.part(".state-text").textContent = this.describe(is, detail);
  }

  describe(is, detail) {
    switch (is) {
      case "connecting":
        return "connecting";
      case "connected":
        this.part(".where").textContent = `connection ${detail.connection}`;
        return "connected";
      case "cut":
        return detail.lost ? `network cut, frames lost: ${detail.lost}` : "network cut";
      case "away":
        this.note(`The connection ended: ${detail.code} ${detail.reason}`);
        return `away, back in ${(detail.wait / 1000).toFixed(1)} s`;
      default:
        this.note(`Refused for good: ${detail.code} ${detail.reason}. Load the page again for a new token.`);
        return is;
    }
  }

  frame(way, text) {
    append(this.part(".frames"), make("li", way, make("span", "", text)), framesKept);
    this.part(".count").textContent = `(${++this.frames})`;
  }

  event(event) {
    if (!event.room) return this.note(`${event.event} ${JSON.stringify(event.data)}`);
    const meta = make("div", "meta",
      make("span", "from", event.from ?? "backend"),
      make("span", "name", event.event),
      make("span", "offset", event.offset ? `#${event.offset}` : "signal"),
      make("time", "", clock(event.time)));
    const own = event.from === this.name ? " own" : "";
    append(this.part(".said"), make("li", `event${own}`, meta, make("div", "data", words(event.data))), saidKept);
  }

  joined({ room, offset, epoch, recovered, missed }, since) {
    if (!since) return this.note(`In ${room}, hearing all after #${offset}`);
    if (recovered) return this.note(`Back in ${room}, recovered: true; missed and now told: ${missed}`, "whole");
    const what = since.epoch !== epoch
      ? "the log has begun anew since"
      : since.offset === offset
        ? `but the log still ends at #${offset}: nothing was stored meanwhile`
        : `what was stored after #${since.offset} and up to #${offset} is not told again`;
    this.note(`Back in ${room}, recovered: false; ${what}`, "gap");
  }

  denied({ room, code, message }) {
    this.note(`Not let into ${room}: ${code}: ${message}`, "bad");
  }

  // The following is what one can do.

  note(text, kind = "") {
    append(this.part(".said"), make("li", `note ${kind}`, text), saidKept);
  }

  toggle() {
    const button = this.part(".cut");
    const cut = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", cut);
    button.textContent = cut ? "Mend network" : "Cut network";
    if (cut) {
      this.note(`Network cut at ${clock()}`, "gap");
      this.client.cut();
    } else {
      this.client.mend();
    }
  }

  async say(submit) {
    submit.preventDefault();
    const input = this.part("input");
    const text = input.value;
    const act = submit.submitter?.value ?? "publish";
    input.value = "";
    try {
      if (act === "call") {
        const answer = await this.client.ask("task:create", { title: text });
        this.note(`A backend answered task:create: ${JSON.stringify(answer)}`, "whole");
        return;
      }
      await this.client.ask("publish", {
        room: this.room, event: "message", data: { text }, durable: act === "publish", echo: true,
      });
    } catch ({ code, message }) {
      this.note(`${act === "call" ? "task:create" : "message"} failed: ${code}: ${message}`, "bad");
    }
  }
}

// backend makes the form that speaks over NATS.
function backend(config) {
  const form = find("backend");
  const title = find("title");
  const data = () => JSON.stringify({ title: title.value });
  const show = () => {
    const quoted = data().replaceAll("'", `'\\''`);
    find("command").textContent = `nats pub ${config.event} '${quoted}' -H Hub-Event:task:update`;
  };
  title.oninput = show;
  show();
  form.onsubmit = async (submit) => {
    submit.preventDefault();
    const durable = Boolean(submit.submitter?.value ?? "yes");
    const result = find("result");
    try {
      const answer = await fetch("/demo/publish", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ event: "task:update", data: { title: title.value }, durable }),
      });
      const said = await answer.json();
      if (said.error) throw new Error(said.error.message);
      result.className = "result";
      result.textContent = durable ? `Stored from ${said.subject} at offset ${said.offset}` : `Said on ${said.subject}, stored nowhere`;
    } catch (error) {
      result.className = "result bad";
      result.textContent = `Not published: ${error.message}`;
    }
  };
}

// mesh shows the figures that any monitoring can ask for too.
async function mesh() {
  try {
    const answer = await fetch("/api/v1/ws/metrics");
    if (!answer.ok) throw new Error(answer.statusText);
    const { serverId, totalConnections, serverCount } = await answer.json();
    find("mesh").textContent = `gateway ${serverId}, connections: ${totalConnections}, gateways: ${serverCount}`;
  } catch {
    find("mesh").textContent = "the gateway does not answer";
  }
  setTimeout(mesh, meshEvery);
}

const config = await (await fetch("/demo/config.json")).json();
find("room").textContent = config.room;
backend(config);
for (const user of config.users) new Side(user, config.room);
setTimeout(mesh, 500); // when the sides are connected, and count
if (config.users.length === 0) {
  find("notice").hidden = false;
  find("notice").textContent = "There are no tokens to show users with: they are checked with public keys here, so hubmesh dev cannot make one.";
}
