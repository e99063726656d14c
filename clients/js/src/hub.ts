import type { BackoffOptions } from "./backoff.js";
import { Connection, type CloseReason, type HubState, type TokenSource } from "./connection.js";
import { Emitter, type ListenOptions } from "./emitter.js";
import { HubError } from "./errors.js";
import type { AnyEvents, EventMap, Gap, Status } from "./events.js";
import type { EventFrame, Hello, Link, WebSocketClass } from "./link.js";
import { Outbox } from "./outbox.js";
import type { PublishOptions, RoomOptions } from "./options.js";
import { Room, type RoomHub } from "./room.js";
import { OwnStatus, type StatusOptions } from "./status.js";
import { Rooms } from "./rooms.js";
import { Calls, type CallOptions } from "./calls.js";
import { Deferred, quietly } from "./wait.js";

/** How a hub connects. */
export interface HubOptions {
  /**
   * A token, or what gets one: asked for each connection, before it ends, and
   * when one was refused. Without it the cookie `hubmesh_token` must tell who
   * this is.
   */
  token?: TokenSource;
  /** A class of WebSockets where there is none built in: that of `ws` on Node 20. */
  WebSocket?: WebSocketClass | (new (url: string, protocols?: string[]) => object);
  /** How many durable events, and how many calls, may wait for a connection; 1,000 if not given. */
  queue?: number;
  /** How long to wait before coming back. */
  backoff?: BackoffOptions;
}

/** What a hub tells of itself. */
export interface HubListeners {
  /** The connection is another; see `hub.state`. */
  state: (state: HubState) => void;
  /** There is a connection again after one was lost. */
  reconnect: (connection: { connection: string; gateway: string }) => void;
  /** A room missed nothing: all that was said in it meanwhile follows. */
  recovered: (room: { room: string; missed: number }) => void;
  /** It is unknown what a room missed: load its state anew, or give the room a `reload`. */
  gap: (gap: Gap) => void;
  /** A room may not be entered. */
  denied: (room: { room: string; error: HubError }) => void;
  /** We were put out of a room. */
  left: (room: { room: string; reason: string }) => void;
  /** Something failed that nobody waited for. */
  error: (error: unknown) => void;
  /** What goes over the wire, as text, for those who debug. */
  frame: (way: "in" | "out", text: string) => void;
}

const defaultQueue = 1000;

/**
 * One user's connection to hubmesh. It connects when it is first needed, comes
 * back by itself, and has each room hear every durable event once and in order,
 * or says that it cannot (`gap`).
 *
 * ```ts
 * const hub = new Hub("https://app.example.com", { token: () => fetchToken() });
 * const room = hub.room("task:42");
 * room.on("task:update", (data, meta) => show(data));
 * await room.publish("comment:added", { text: "Ship it" }, { durable: true });
 * ```
 */
export class Hub {
  readonly #events = new Emitter();
  readonly #rooms = new Rooms();
  readonly #named = new Map<string, Room>();
  readonly #outbox: Outbox;
  readonly #calls: Calls;
  readonly #connection: Connection;
  readonly #inside: RoomHub;
  #me: Room | undefined;
  #user: string | undefined;
  readonly #status = new OwnStatus();
  #over = false;

  /** `url` is where a gateway serves: `https://…`, `wss://…/ws`, or in a page a path such as `/ws`. */
  constructor(url: string | URL, { token, WebSocket, queue = defaultQueue, backoff }: HubOptions = {}) {
    this.#outbox = new Outbox(queue);
    this.#calls = new Calls(queue);
    this.#connection = new Connection(
      { url: endpoint(url), token, socket: WebSocket as WebSocketClass | undefined, backoff },
      {
        state: (state) => this.#became(state),
        since: () => this.#rooms.since(),
        opened: (link, hello, since) => this.#opened(link, hello, since),
        event: (frame) => this.#event(frame),
        beat: () => this.#rooms.beat(),
        ended: () => this.#ended(),
        error: (error) => this.#events.emit("error", error),
        frame: (way, text) => this.#events.emit("frame", way, text),
      },
    );
    this.#inside = {
      ask: (event, data, signal) => this.call(event, data, { signal }),
      now: (event, data) => quietly(this.#now(event, data)),
      user: () => this.#user,
      store: (body, options) => this.#store(body, options),
      tell: (event, about) => this.#events.emit(event, about),
      over: (call) => this.#closed(call),
      closed: (room) => this.#forget(room),
      again: (room) => this.#rooms.again(room.name),
    };
  }

  /** The connection, as one can show it. It is another object after each change. */
  get state(): HubState {
    return this.#connection.state;
  }

  /** The rooms that are open, by name. */
  get rooms(): ReadonlyMap<string, Room> {
    return this.#named;
  }

  /** Hears of the hub itself; what it returns ends that. */
  on<K extends keyof HubListeners>(event: K, listener: HubListeners[K], options?: ListenOptions): () => void {
    return this.#events.on(event, listener as never, options);
  }

  /** Hears no more of it. */
  off<K extends keyof HubListeners>(event: K, listener: HubListeners[K]): void {
    this.#events.off(event, listener as never);
  }

  /**
   * The room of that name, such as `task:42`. There is one of each: who asks
   * again gets the same, with the options of the first.
   */
  room<E extends EventMap = AnyEvents>(name: string, options: RoomOptions = {}): Room<E> {
    let room = this.#named.get(name);
    if (!room) {
      this.#alive();
      room = new Room(this.#inside, name, options);
      this.#named.set(name, room);
      const { presence = false, last, since } = options;
      room.settle(this.#rooms.add(name, room.hears, { presence, last, since }));
      this.#need();
    }
    return room as unknown as Room<E>;
  }

  /** The user's own room, `user:…`, which every connection is in; here is also heard what is told to this connection alone. */
  me<E extends EventMap = AnyEvents>(options: RoomOptions = {}): Room<E> {
    if (!this.#me) {
      this.#alive();
      this.#me = new Room(this.#inside, "", options);
      if (this.#user !== undefined) this.#meet();
      this.#need();
    }
    return this.#me as unknown as Room<E>;
  }

  /** Asks a backend. It is asked once, unless `retry` says otherwise, and rejects with a `HubError` that has its code. */
  call<Answer = any>(event: string, data?: unknown, options: CallOptions = {}): Promise<Answer> {
    const { state } = this;
    if (state.status === "closed") return Promise.reject(stateError(state));
    this.#need();
    return this.#calls.add(event, data, options) as Promise<Answer>;
  }

  /**
   * Sets the user's status, for all who share a room with them. The last one
   * set holds, on whichever of their connections. It resolves when presence has
   * it, waits for a connection if there is none, and is said again on the next
   * one.
   */
  status(status: Status, { signal, ...more }: StatusOptions = {}): Promise<void> {
    const { state } = this;
    if (state.status === "closed") return quietly(Promise.reject(stateError(state)));
    this.#need();
    return this.#status.set({ status, ...more }, signal);
  }

  /** Connects now, or again after a `closed` that was not yours. Other calls do so by themselves. */
  connect(): void {
    this.#alive();
    this.#connection.connect();
  }

  /** Resolves when there is a connection, and rejects when there will be none. */
  ready({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    this.#need();
    const offs: (() => void)[] = [];
    const end = new Deferred<void>(signal, () => offs.forEach((off) => off()));
    offs.push(this.on("state", ({ status }) => status === "open" && end.resolve()), this.#closed(end.reject));
    if (this.state.status === "open") end.resolve();
    return end.promise;
  }

  /** Ends it all: rooms are closed, what waits is rejected with `closed`. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    for (const room of [...this.#named.values(), this.#me]) room?.close();
    this.#connection.close("closed", "closed by this client");
    this.#events.clear();
  }

  /** Connects if it never did. After a `closed` only `connect` does. */
  #need(): void {
    if (this.state.status === "idle") this.#connection.connect();
  }

  #alive(): void {
    if (this.#over) throw overError();
  }

  #closed(call: (error: HubError) => void): () => void {
    const look = (state: HubState) => state.status === "closed" && call(stateError(state));
    look(this.state);
    return this.on("state", look as (state: HubState) => void);
  }

  #became(state: HubState): void {
    if (state.status === "closed") {
      this.#ended();
      const error = stateError(state);
      this.#outbox.fail(error);
      this.#calls.fail(error);
      this.#status.fail(error);
    }
    this.#events.emit("state", state);
  }

  #opened(link: Link, hello: Hello, since: ReturnType<Rooms["since"]>): void {
    const again = this.#user !== undefined;
    if (this.#user !== hello.user) {
      this.#user = hello.user;
      if (this.#me) this.#meet();
    }
    this.#rooms.opened(link, hello, since);
    this.#status.opened(link);
    this.#outbox.opened(link);
    this.#calls.opened(link);
    if (again) this.#events.emit("reconnect", { connection: hello.connection, gateway: hello.gateway });
  }

  #ended(): void {
    this.#rooms.ended();
    this.#outbox.ended();
    this.#calls.ended();
    this.#status.ended();
  }

  #event(frame: EventFrame): void {
    const { event, room, data } = frame;
    if (!room && event === "error") this.#events.emit("error", new HubError(data.code, data.message, data.retryAfterMs));
    if (event === "presence:update" && !data?.room && data?.user === this.#user) this.#status.told(data);
    this.#rooms.event(frame, this.#me?.hears);
  }

  #meet(): void {
    const name = `user:${this.#user}`;
    const room = this.#me!;
    room.settle(this.#rooms.add(name, room.hears, { presence: false, last: undefined, since: undefined }), name);
  }

  #forget(room: Room): void {
    this.#rooms.remove(room.name, room.hears);
    if (this.#me === room) this.#me = undefined;
    else this.#named.delete(room.name);
  }

  async #now(event: string, data: unknown): Promise<unknown> {
    const { link } = this.#connection;
    if (!link) throw new HubError("unavailable", "there is no connection");
    return new Promise((resolve, reject) => link.ask(event, data, (answer, error) => (error ? reject(error) : resolve(answer))));
  }

  #store(body: Record<string, unknown>, { key = randomKey(), signal }: PublishOptions): Promise<{ offset: number }> {
    const { state } = this;
    if (state.status === "closed") return Promise.reject(stateError(state));
    this.#need();
    return this.#outbox.add({ ...(body as { room: string; event: string }), key, durable: true }, signal);
  }
}

/** Where a gateway takes WebSockets. */
function endpoint(url: string | URL): string {
  const at = new URL(url, globalThis.location?.href);
  at.protocol = at.protocol.replace("http", "ws");
  if (at.pathname === "/") at.pathname = "/ws";
  return at.href;
}

/** A text that nobody else makes. `crypto.randomUUID` is missing from pages without TLS. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");
}

function stateError({ reason, message }: { reason: CloseReason; message: string }): HubError {
  return new HubError(reason === "unauthorized" ? reason : "closed", `${reason}: ${message}`);
}

function overError(): HubError {
  return new HubError("closed", "this hub was closed");
}
