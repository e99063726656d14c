import { Backoff, type BackoffOptions } from "./backoff.js";
import type { Position } from "./events.js";
import { type EventFrame, type Hello, Link, type WebSocketClass } from "./link.js";

/** Why a token is asked for: to connect, because it ends soon, or because the last one was refused. */
export interface TokenRequest {
  reason: "connect" | "expiring" | "refused";
  /** Aborts when the answer is not wanted any more. */
  signal: AbortSignal;
}

/** A token, or what gets one. It is asked anew for each connection, and before the token ends. */
export type TokenSource = string | ((request: TokenRequest) => string | Promise<string>);

/**
 * Why a hub does not come back by itself: you closed it, the token was refused
 * and so was a fresh one, the user was revoked or disconnected by a backend, or
 * this client and the server do not understand each other.
 */
export type CloseReason = "closed" | "unauthorized" | "revoked" | "protocol";

/** What one can show of a connection. A new object for each change, so it can be compared by identity. */
export type HubState =
  | { readonly status: "idle" }
  | { readonly status: "connecting" }
  | { readonly status: "open"; readonly connection: string; readonly user: string; readonly gateway: string }
  /** The next try is at `until`, in unix milliseconds. `code` is the close code of the last connection. */
  | { readonly status: "waiting"; readonly until: number; readonly code: number; readonly message: string }
  /** The browser says that there is no network. */
  | { readonly status: "offline" }
  | { readonly status: "closed"; readonly reason: CloseReason; readonly message: string };

/** How a connection is made. */
export interface ConnectionOptions {
  url: string;
  token: TokenSource | undefined;
  socket: WebSocketClass | undefined;
  backoff: BackoffOptions | undefined;
}

/** Who uses a connection. */
export interface ConnectionOwner {
  state(state: HubState): void;
  /** From where the rooms that one is in by itself are to be told. */
  since(): Position | undefined;
  /** `since` is what was given of that. */
  opened(link: Link, hello: Hello, since: Position | undefined): void;
  event(frame: EventFrame): void;
  beat(): (position: Position) => void;
  ended(): void;
  error(error: unknown): void;
  frame(way: "in" | "out", text: string): void;
}

const attemptMs = 15_000; // for a token, a handshake, and `connected`
const floodMs = 60_000; // after 4429 the protocol asks for a minute
const refreshMs = 5000; // between two tries to get a fresh token in time
const stepMs = 5000; // a waiting client looks at the clock so often: timers stand still in sleep
const offlineMs = 30_000; // browsers are not always right, so we try nonetheless

/** Closes after which the same client would only be closed again. */
const final: Record<number, CloseReason> = { 1002: "protocol", 1003: "protocol", 1007: "protocol", 4400: "protocol", 4403: "revoked" };
const unauthorized = 4401;
const flood = 4429;

/**
 * Connections one after the other: it comes back until it is told not to. It
 * knows no rooms; what is asked of the server goes through `link`.
 */
export class Connection {
  state: HubState = { status: "idle" };
  /** The open connection, or none. */
  link: Link | undefined;

  readonly #options: ConnectionOptions;
  readonly #owner: ConnectionOwner;
  readonly #backoff: Backoff;
  #turn = new AbortController(); // of the attempt or connection there is; aborted when it is not wanted any more
  #timer: ReturnType<typeof setTimeout> | undefined;
  #refused = false; // the last token was
  #told = false; // the server has said how long to wait
  #later: number | undefined; // what it said

  constructor(options: ConnectionOptions, owner: ConnectionOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#backoff = new Backoff(options.backoff);
  }

  /** Connects, unless it does or has already. */
  connect(): void {
    if (this.state.status !== "idle" && this.state.status !== "closed") return;
    this.#refused = this.#told = false;
    this.#watch(true);
    void this.#attempt();
  }

  /** Ends it, for this reason, until `connect`. */
  close(reason: CloseReason, message: string): void {
    if (this.state.status === "closed") return;
    this.#watch(false);
    clearTimeout(this.#timer);
    // A listener of this state may connect again, which must not be undone.
    const { link } = this;
    this.link = undefined;
    this.#turn.abort();
    link?.drop(1000, message);
    this.#become({ status: "closed", reason, message });
  }

  /** There may be a network again, or the machine slept: look now. */
  readonly #wake = (): void => {
    this.link?.probe();
    if (this.state.status === "offline" || (this.state.status === "waiting" && !this.#told)) void this.#attempt();
  };

  readonly #shown = (): void => {
    if (globalThis.document.visibilityState === "visible") this.#wake();
  };

  readonly #offline = (): void => {
    this.link?.probe();
    if (this.state.status === "waiting") this.#become({ status: "offline" });
  };

  #watch(on: boolean): void {
    const change = on ? "addEventListener" : "removeEventListener";
    // Of these Node has none, and a worker no document.
    globalThis[change]?.("online", this.#wake);
    globalThis[change]?.("offline", this.#offline);
    globalThis.document?.[change]("visibilitychange", this.#shown);
  }

  #become(state: HubState): void {
    this.state = state;
    this.#owner.state(state);
  }

  async #attempt(): Promise<void> {
    clearTimeout(this.#timer);
    this.#turn.abort();
    const turn = (this.#turn = new AbortController());
    let link: Link | undefined;
    const failed = (code: number, message: string) => {
      if (turn.signal.aborted) return;
      turn.abort();
      link?.drop();
      this.#ended(code, message);
    };
    this.#timer = setTimeout(() => failed(1006, "no connection in time"), attemptMs);
    this.#become({ status: "connecting" });
    if (turn.signal.aborted) return; // closed by who heard that
    try {
      const token = await this.#token(this.#refused ? "refused" : "connect", turn.signal);
      if (turn.signal.aborted) return;
      link = this.#open(token, turn, failed);
    } catch (error) {
      if (turn.signal.aborted) return;
      this.#owner.error(error);
      failed(1006, "no token, or no WebSocket");
    }
  }

  #open(token: string | undefined, turn: AbortController, failed: (code: number, message: string) => void): Link {
    const Socket = this.#options.socket ?? (globalThis.WebSocket as WebSocketClass | undefined);
    if (!Socket) throw new Error("there is no WebSocket here: give one to new Hub(url, { WebSocket })");
    const since = this.#owner.since();
    const url = new URL(this.#options.url);
    // With a cookie for a token there is no first frame that could tell it.
    if (token === undefined && since) url.searchParams.set("since", `${since.epoch}:${since.offset}`);
    const link: Link = new Link(
      new Socket(url.href, ["hubmesh.v1"]),
      {
        opened: (hello) => this.#opened(link, hello, since, turn),
        event: (frame) => this.#event(frame, link, turn.signal),
        beat: () => this.#owner.beat(),
        frame: (way, text) => this.#owner.frame(way, text),
        ended: failed,
      },
      token === undefined ? undefined : { token, since },
    );
    return link;
  }

  async #token(reason: TokenRequest["reason"], signal: AbortSignal): Promise<string | undefined> {
    const { token } = this.#options;
    return typeof token === "function" ? token({ reason, signal }) : token;
  }

  #opened(link: Link, hello: Hello, since: Position | undefined, turn: AbortController): void {
    clearTimeout(this.#timer);
    this.link = link;
    this.#refused = this.#told = false;
    this.#later = undefined;
    const begun = Date.now();
    turn.signal.addEventListener("abort", () => this.#backoff.lived(Date.now() - begun));
    const { connection, user, gateway } = hello;
    this.#owner.opened(link, hello, since);
    this.#become({ status: "open", connection, user, gateway });
  }

  #event(frame: EventFrame, link: Link, signal: AbortSignal): void {
    // With a room, it is a backend that says so.
    if (!frame.room && frame.event === "server:shutdown") this.#later = frame.data?.reconnectAfterMs;
    if (!frame.room && frame.event === "token:expiring") void this.#refresh(link, signal);
    this.#owner.event(frame);
  }

  /** Gets a fresh token, until it has one or the connection has ended. */
  async #refresh(link: Link, signal: AbortSignal): Promise<void> {
    if (typeof this.#options.token !== "function" || signal.aborted) return;
    const again = () => {
      const timer = setTimeout(() => void this.#refresh(link, signal), refreshMs);
      signal.addEventListener("abort", () => clearTimeout(timer));
    };
    try {
      const token = await this.#token("expiring", signal);
      link.ask("auth:refresh", { token }, (_, error) => {
        if (error && error.code !== "disconnected") this.#owner.error(error);
        if (error?.code === "unavailable" || error?.code === "rate_limited") again();
      });
    } catch (error) {
      this.#owner.error(error);
      again();
    }
  }

  #ended(code: number, message: string): void {
    clearTimeout(this.#timer);
    this.link = undefined;
    this.#owner.ended();
    if (this.state.status === "closed") return; // by who heard that
    const reason = final[code];
    if (reason) return this.close(reason, message);
    if (code === unauthorized) return this.#unauthorized(message);
    this.#told = code === flood || this.#later !== undefined;
    const wait = this.#later ?? this.#backoff.next(Math.random()) + (code === flood ? floodMs : 0);
    this.#later = undefined;
    this.#wait(wait, code, message);
  }

  /** The token has ended, or was bad: a fresh one is tried once. */
  #unauthorized(message: string): void {
    if (this.#refused || typeof this.#options.token !== "function") return this.close("unauthorized", message);
    this.#refused = true;
    const first = this.#backoff.tries === 0; // else each fresh token ends at once, and we must not storm
    const wait = this.#backoff.next(Math.random());
    this.#wait(first ? 0 : wait, unauthorized, message);
  }

  #wait(ms: number, code: number, message: string): void {
    const offline = globalThis.navigator?.onLine === false;
    let left = offline ? offlineMs : ms;
    let before = Date.now();
    const look = () => {
      const passed = Date.now() - before;
      before += passed;
      left -= passed < 0 ? stepMs : passed; // a clock that was set back makes nobody wait longer
      if (left > 0) this.#timer = setTimeout(look, Math.min(left, stepMs));
      else void this.#attempt();
    };
    this.#become(offline ? { status: "offline" } : { status: "waiting", until: Math.ceil(before + ms), code, message });
    if (this.state.status === "waiting" || this.state.status === "offline") this.#timer = setTimeout(look, Math.min(left, stepMs));
  }
}
