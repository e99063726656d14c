// One user: a Hub of their own over a network of their own, what it tells, and
// what one can do as them.

import { Hub } from "/hubmesh.js";
import { Board } from "./board.js";
import { append, clock, find, make } from "./make.js";
import { Network } from "./network.js";

const framesKept = 200;
const saidKept = 200;
const pastRead = 200; // events, the most that one answer has

// What is shown of a connection's status, by its name in the style sheet.
const states = {
  idle: ["connecting", () => "connecting"],
  connecting: ["connecting", () => "connecting"],
  open: ["connected", () => "connected"],
  waiting: ["away", ({ until }) => `away, back in ${(Math.max(0, until - Date.now()) / 1000).toFixed(1)} s`],
  offline: ["away", () => "no network"],
  closed: ["refused", ({ reason }) => reason],
};

// words is an event's data as a person reads it.
function words({ event, data }) {
  if (event === "task:update" && data?.task) return `${data.change} “${data.task.title}”${data.task.done ? ", done" : ""}`;
  if (typeof data === "string") return data;
  return typeof data?.text === "string" ? data.text : JSON.stringify(data);
}

export class Side {
  #network = new Network();
  #board = new Board();
  #frames = 0;
  #entered = false;

  constructor({ name, token }, room) {
    this.name = name;
    this.root = find("side").content.firstElementChild.cloneNode(true);
    this.#label();
    find("sides").append(this.root);
    this.hub = new Hub(location.origin, { token, WebSocket: this.#network.socket });
    this.room = this.hub.room(room, { presence: true, last: pastRead, reload: () => this.#reload() });
    this.#listen();
    this.#act();
  }

  #part(selector) {
    return this.root.querySelector(selector);
  }

  #label() {
    const { name } = this;
    this.root.id = `side-${name}`;
    this.root.setAttribute("aria-labelledby", `name-${name}`);
    this.#part("h2").id = `name-${name}`;
    this.#part("h2").textContent = name;
    this.#part(".face").textContent = name.slice(0, 1);
    this.#part(".presence .sr").textContent = `Status of ${name}`;
    this.#part(".say .sr").textContent = this.#part(".say input").placeholder = `Comment as ${name}`;
    this.#part(".add .sr").textContent = this.#part(".add input").placeholder = "A new task";
    this.#part(".said").setAttribute("aria-label", `What ${name} hears`);
    this.#part(".frames").setAttribute("aria-label", `Frames of ${name}`);
  }

  #listen() {
    const { hub, room } = this;
    hub.on("state", () => this.#state());
    hub.on("frame", (way, text) => this.#frame(way, text));
    hub.on("error", (error) => this.#note(String(error), "bad"));
    hub.on("denied", ({ room: name, error }) => this.#note(`Not let into ${name}: ${error.code}: ${error.message}`, "bad"));
    hub.on("left", ({ room: name, reason }) => this.#note(`Put out of ${name}: ${reason}`, "bad"));
    hub.on("recovered", ({ room: name, missed }) => {
      if (name === room.name) this.#note(`Back in ${name}, recovered: true; missed and now told: ${missed}`, "whole");
    });
    hub.on("gap", (gap) => this.#gap(gap));
    room.onState((state) => {
      if (state === "joined" && !this.#entered) this.#note(`In ${room.name}`);
      this.#entered ||= state === "joined";
    });
    room.onAny((event) => this.#event(event));
    room.presence.on("change", (members) => this.#here(members));
    room.typists.on("change", (users) => {
      const others = users.filter((user) => user !== this.name);
      this.#part(".typing").textContent = others.length ? `${others.join(", ")} typing…` : "";
    });
    this.#state();
  }

  #state() {
    const { state } = this.hub;
    const [is, describe] = this.#network.isCut ? ["cut", () => "network cut"] : states[state.status];
    this.#part(".state").dataset.is = is;
    this.root.classList.toggle("is-cut", is === "cut");
    this.#part(".state-text").textContent = describe(state);
    if (state.status === "open") this.#part(".where").textContent = `connection ${state.connection}`;
  }

  #frame(way, text) {
    append(this.#part(".frames"), make("li", way, make("span", "", text)), framesKept);
    this.#part(".count").textContent = `(${++this.#frames})`;
  }

  #note(text, kind = "") {
    append(this.#part(".said"), make("li", `note ${kind}`, text), saidKept);
  }

  #gap({ room, since, now }) {
    if (room !== this.room.name) return;
    const what = since.epoch !== now.epoch ? "the log has begun anew since" : `what was stored after #${since.offset} and up to #${now.offset} is not told again`;
    this.#note(`Back in ${room}, recovered: false; ${what}`, "gap");
  }

  // What was missed is unknown, so the board is made anew of what there is.
  async #reload() {
    const { events } = await this.room.history({ limit: pastRead });
    this.#board.clear();
    for (const event of events) this.#board.take(event);
    this.#show();
    this.#note(`The board is made anew of the log's newest ${events.length}`);
  }

  #event(event) {
    if (event.event === "presence:update" || event.event.startsWith("user:")) return; // shown above and below
    const meta = make("div", "meta",
      make("span", "from", event.from ?? "backend"),
      make("span", "name", event.event),
      make("span", "offset", event.offset ? `#${event.offset}` : "signal"),
      make("time", "", clock(event.time)));
    const own = event.from === this.name ? " own" : "";
    append(this.#part(".said"), make("li", `event${own}`, meta, make("div", "data", words(event))), saidKept);
    this.#board.take(event);
    this.#show();
  }

  #show() {
    for (const done of [false, true]) {
      this.#part(done ? ".done" : ".todo").replaceChildren(...this.#board.list(done).map((task) => this.#card(task)));
    }
  }

  #card({ id, title, done }) {
    const button = make("button", "task", title);
    button.title = done ? "Take it up again" : "It is done";
    button.onclick = () => this.#update("updated", { id, title, done: !done });
    return make("li", "", button);
  }

  #here(members) {
    const own = this.room.presence.get(this.name);
    if (own) this.#part(".status").value = own.status; // another window may have set it
    this.#part(".here").replaceChildren(...members.map(({ user, status }) => {
      const who = make("li", "", status === "online" ? user : `${user}, ${status}`);
      who.dataset.status = status;
      return who;
    }));
  }

  // Of what one does, all that is durable waits for the network.

  #update(change, { id, ...task }) {
    return this.#publish("task:update", { taskId: id, change, task, by: this.name }, true);
  }

  async #publish(event, data, durable) {
    if (durable && this.hub.state.status !== "open") this.#note("It waits for the network");
    try {
      await this.room.publish(event, data, { durable, echo: true });
    } catch ({ code, message }) {
      this.#note(`${event} failed: ${code}: ${message}`, "bad");
    }
  }

  async #status(status) {
    try {
      await this.hub.status(status);
    } catch ({ code, message }) {
      this.#note(`The status could not be set: ${code}: ${message}`, "bad");
    }
  }

  async #ask(title) {
    try {
      this.#note(`A backend answered task:create: ${JSON.stringify(await this.hub.call("task:create", { title }))}`, "whole");
    } catch ({ code, message }) {
      this.#note(`task:create failed: ${code}: ${message}`, "bad");
    }
  }

  #act() {
    this.#part(".cut").onclick = () => this.#toggle();
    const add = this.#part(".add");
    add.onsubmit = (submit) => {
      submit.preventDefault();
      void this.#update("created", { id: crypto.getRandomValues(new Uint32Array(1))[0].toString(36), title: add.elements.title.value, done: false });
      add.reset();
    };
    this.#part(".status").onchange = ({ target }) => void this.#status(target.value);
    const say = this.#part(".say");
    say.oninput = () => this.room.typing();
    say.onsubmit = (submit) => {
      submit.preventDefault();
      const text = say.elements.text.value;
      const act = submit.submitter?.value ?? "publish";
      say.reset();
      this.room.typing(false);
      if (act === "call") void this.#ask(text);
      else void this.#publish("comment:added", { commentId: String(Date.now()), room: this.room.name, author: this.name, text }, act === "publish");
    };
  }

  #toggle() {
    const button = this.#part(".cut");
    const cut = !this.#network.isCut;
    button.setAttribute("aria-pressed", cut);
    button.textContent = cut ? "Mend network" : "Cut network";
    if (cut) this.#note(`Network cut at ${clock()}`, "gap");
    if (cut) this.#network.cut();
    else this.#network.mend();
    this.#state();
  }
}
