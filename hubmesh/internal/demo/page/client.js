// A client of the native door in one room that comes back by itself and misses
// nothing there: what a program of one's own needs, and no more. It knows
// nothing of the page. The rooms that every connection is in, user:… and
// hub:all, it hears from each connection on; to miss nothing there either, a
// client says ?since= in the handshake too.
//
// The protocol is one JSON object a text frame. We send {"id","event","data"},
// hear {"ack"} for each id, and {"event","room","data","offset"} for what is
// said in our rooms.

const firstDelay = 1000; // ms, the most before the first try to come back
const longestDelay = 30_000;
const floodDelay = 60_000; // after we have sent far too much
const askWait = 15_000; // a gateway gives a backend 10 s

// Closes after which the same client with the same token would only be closed
// again: faults of ours, and a token that is no good any more.
const final = new Set([1002, 1003, 1007, 4400, 4401, 4403]);
const flood = 4429;

export class Client {
  // hear is told what happens: state(name, detail), frame(way, text),
  // event(event), joined(entered, since) and, for a room that we may not
  // enter, denied(denied).
  constructor({ url, token, room, hear }) {
    Object.assign(this, { url, token, room, hear });
    this.position = null; // what we have heard is complete up to here
    this.tries = 0;
    this.lost = 0;
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    const since = this.position && { ...this.position };
    // A browser can set no header, and a token in the address would stand in
    // logs; so it goes with the subprotocols.
    const ws = new WebSocket(this.url, ["hubmesh.v1", `bearer.${this.token}`]);
    this.ws = ws;
    this.asks = new Map();
    this.number = 0;
    this.greeted = this.joined = false;
    this.later = 0; // ms that the server asked us to wait
    this.hear.state("connecting");
    ws.onmessage = (message) => this.take(message.data, since);
    ws.onclose = (close) => this.gone(close);
  }

  // ask sends a frame and resolves with its ack's data, or rejects with the
  // error in it: {code, message}.
  ask(event, data) {
    if (!this.greeted || this.isCut) return Promise.reject({ code: "unavailable", message: "not connected" });
    return this.request(event, data);
  }

  request(event, data) {
    const id = ++this.number;
    const text = JSON.stringify({ id, event, data });
    const { asks } = this; // of this connection: an ack never comes over another
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        asks.delete(id);
        reject({ code: "timeout", message: "no answer" });
      }, askWait);
      asks.set(id, { resolve, reject, late });
      this.hear.frame("out", text);
      this.ws.send(text);
    });
  }

  take(text, since) {
    if (this.isCut) {
      this.lost++;
      this.hear.state("cut", { lost: this.lost });
      return;
    }
    this.hear.frame("in", text);
    const frame = JSON.parse(text);
    if ("ack" in frame) return this.answered(frame);
    if (frame.event === "connected") return this.welcome(frame.data, since);
    if (frame.event === "server:shutdown") this.later = frame.data.reconnectAfterMs;
    if (frame.offset && this.joined && frame.room === this.room) this.position.offset = frame.offset;
    this.hear.event(frame);
  }

  answered({ ack, data, error }) {
    const asked = this.asks.get(ack);
    if (!asked) return;
    this.asks.delete(ack);
    clearTimeout(asked.late);
    if (error) asked.reject(error);
    else asked.resolve(data);
  }

  async welcome(hello, since) {
    this.greeted = true;
    this.tries = 0;
    this.hear.state("connected", hello);
    this.beat(hello.heartbeatMs, this.ws);
    try {
      const { rooms, denied } = await this.request("subscribe", { rooms: [since ? { room: this.room, since } : this.room] });
      for (const entered of rooms) {
        // What was missed follows and moves us on; until it has come we are
        // where we were.
        const offset = entered.missed ? since.offset : entered.offset;
        this.position = { epoch: entered.epoch, offset };
        this.joined = true;
        this.hear.joined(entered, since);
      }
      denied.forEach((d) => this.hear.denied(d));
    } catch (error) {
      if (this.greeted) this.hear.denied({ room: this.room, ...error });
    }
  }

  // beat asks for a heartbeat again and again. Its answer proves that the
  // connection lives and moves our position on in a quiet room.
  beat(every, ws) {
    clearTimeout(this.pulse);
    this.pulse = setTimeout(async () => {
      try {
        const { position } = await this.ask("heartbeat");
        if (this.joined && position.offset > this.position.offset) this.position = position;
      } catch (error) {
        if (error.code === "timeout" && ws === this.ws) {
          // Of a dead network the browser would learn minutes later.
          this.abandon();
          this.gone({ code: 1006, reason: "no answer to a heartbeat" });
        }
        if (error.code !== "rate_limited") return;
      }
      this.beat(every, ws);
    }, every);
  }

  drop() {
    clearTimeout(this.timer);
    clearTimeout(this.pulse);
    this.greeted = this.joined = false;
    for (const { reject, late } of this.asks.values()) {
      clearTimeout(late);
      reject({ code: "unavailable", message: "the connection ended" });
    }
    this.asks.clear();
  }

  gone({ code, reason }) {
    if (this.isCut) return;
    this.drop();
    const detail = { code, reason };
    if (final.has(code)) return this.hear.state("refused", detail);
    // Everyone doubles their wait and draws lots in it, or all would come
    // back to a restarted gateway at the same moment.
    const most = Math.min(longestDelay, firstDelay * 2 ** this.tries++);
    const wait = (code === flood ? floodDelay : this.later) + Math.random() * most;
    this.timer = setTimeout(() => this.open(), wait);
    this.hear.state("away", { ...detail, wait });
  }

  // abandon wants no more of the connection that there is, not even its end.
  abandon() {
    this.ws.onmessage = this.ws.onclose = null;
    this.ws.close();
  }

  // cut acts as if the cable were pulled: nothing that comes is heard, nothing
  // is sent. A page cannot pull the real one, so the gateway still sees the
  // browser's pongs; what it sends to us meanwhile is lost.
  cut() {
    this.isCut = true;
    this.lost = 0;
    this.drop();
    this.hear.state("cut", { lost: 0 });
  }

  // mend puts the cable back. The connection of before is dead to us, so we
  // come back with a new one and say up to where we have heard.
  mend() {
    this.isCut = false;
    this.abandon();
    this.open();
  }
}
