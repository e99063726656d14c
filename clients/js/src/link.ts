import type { Position } from "./events.js";
import { HubError } from "./errors.js";

/** What this client needs of a WebSocket: that of browsers, of Node 22, and of `ws` have it. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** A class of WebSockets. */
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** The data of `connected`, a connection's first frame. */
export interface Hello {
  connection: string;
  user: string;
  gateway: string;
  heartbeatMs: number;
  expiresAt?: number;
  rooms: string[];
  position: Position;
  recovered?: boolean;
  missed?: number;
}

/** What a server tells, but the answers to what was asked. */
export interface EventFrame {
  event: string;
  room?: string;
  data: any;
  offset?: number;
  from?: string;
  time?: number;
}

/** Takes an answer. It is called in the order of the wire, between the events around it. */
export type Answer = (data: any, error?: HubError) => void;

/** Who uses a link. */
export interface LinkOwner {
  opened(hello: Hello): void;
  event(frame: EventFrame): void;
  /** Called as a heartbeat is sent; what it returns takes the position in its answer. */
  beat(): (position: Position) => void;
  /** Called once, after all that was asked has been answered with `disconnected`. */
  ended(code: number, reason: string): void;
  /** What goes over the wire, as text. */
  frame(way: "in" | "out", text: string): void;
}

/** What a browser says of a connection that ended without a close frame. */
const abnormal = 1006;
const tooLarge = 1009;

/** How long a peer that is doubted may take to answer. */
const doubtMs = 5000;

/**
 * One connection, from its WebSocket to its end. It knows no rooms and does not
 * come back.
 *
 * Answers are handed out synchronously, and not by promises: some WebSockets
 * give several messages in one go, and an event behind an answer would be heard
 * before it.
 */
export class Link {
  /** There once the server has let us in. */
  hello: Hello | undefined;

  readonly #owner: LinkOwner;
  readonly #socket: WebSocketLike;
  readonly #asks = new Map<number, { done: Answer; size: number }>();
  #number = 0;
  #ended = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lastTick = 0;
  #lastBeat = 0;
  #doubted = 0; // until when an answer must have come; 0 if none is owed

  constructor(socket: WebSocketLike, owner: LinkOwner, auth?: { token: string; since?: Position | undefined }) {
    this.#socket = socket;
    this.#owner = owner;
    socket.onopen = () => {
      // In the first frame and not in the handshake, whose refusals a browser
      // does not show, and whose address stands in logs.
      if (auth) this.ask("auth", auth, () => {});
    };
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onerror = () => {}; // the close follows; `ws` throws what nobody hears
    socket.onclose = ({ code, reason }) => this.#end(code, String(reason));
  }

  /** Asks, or answers `disconnected` at once if the connection has ended. */
  ask(event: string, data: unknown, done: Answer): void {
    if (this.#ended) return done(undefined, new HubError("disconnected", "the connection has ended"));
    const id = ++this.#number;
    const text = JSON.stringify({ id, event, data });
    this.#asks.set(id, { done, size: text.length });
    this.#owner.frame("out", text);
    this.#socket.send(text);
  }

  /** Asks whether the peer is there still, and gives it a few seconds. */
  probe(): void {
    if (!this.hello) return;
    const patience = Math.min(doubtMs, this.hello.heartbeatMs);
    if (this.#doubted) this.#doubted = Math.min(this.#doubted, Date.now() + patience);
    else this.#beat(patience);
  }

  /** Ends the connection for us, at once: a dead network would take minutes to tell. */
  drop(code = abnormal, reason = "given up"): void {
    if (this.#ended) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#end(code, reason);
  }

  #take(text: string): void {
    if (this.#ended) return;
    this.#doubted = 0;
    this.#owner.frame("in", text);
    const frame = JSON.parse(text);
    if (frame.ack !== undefined) return this.#answered(frame);
    if (frame.event === "connected" && !frame.room && !this.hello) {
      this.hello = frame.data as Hello;
      this.#lastTick = this.#lastBeat = Date.now();
      this.#timer = setInterval(() => this.#tick(), this.hello.heartbeatMs / 5);
      return this.#owner.opened(this.hello);
    }
    this.#owner.event(frame);
  }

  #answered({ ack, data, error }: { ack: number; data: unknown; error?: HubError }): void {
    const ask = this.#asks.get(ack);
    this.#asks.delete(ack);
    ask?.done(data, error && new HubError(error.code, error.message, error.retryAfterMs));
  }

  /**
   * A page in the background has its timers slowed down to one a minute, so a
   * late tick alone is no sign of anything; only a heartbeat without an answer
   * is. A machine that slept finds its connection doubtful at once.
   */
  #tick(): void {
    const now = Date.now();
    const every = this.hello!.heartbeatMs;
    const slept = now - this.#lastTick > every;
    this.#lastTick = now;
    if (this.#doubted && now >= this.#doubted) this.drop(abnormal, "no answer to a heartbeat");
    else if (slept || now < this.#lastBeat) this.probe(); // or the clock was set back
    else if (now - this.#lastBeat >= every) this.#beat(every);
  }

  #beat(patience: number): void {
    this.#lastBeat = Date.now();
    this.#doubted ||= this.#lastBeat + patience;
    const take = this.#owner.beat();
    this.ask("heartbeat", undefined, (data) => data && take(data.position));
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    const asks = [...this.#asks.values()];
    this.#asks.clear();
    // Of what was not answered, the largest is what was too large.
    const largest = code === tooLarge && asks.reduce((a, b) => (b.size > a.size ? b : a), asks[0]!);
    for (const ask of asks) {
      const [said, why] = ask === largest ? ["too_large", "over the server's limit"] : ["disconnected", "the connection ended before the answer came"];
      ask.done(undefined, new HubError(said!, why!));
    }
    this.#owner.ended(code, reason);
  }
}
