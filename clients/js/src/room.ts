import { Emitter, type ListenOptions } from "./emitter.js";
import { HubError, passing } from "./errors.js";
import { type AnyEvents, type EventData, type EventMap, type EventName, fromBytes, type Gap, type Meta, type Position, type RoomEvent } from "./events.js";
import type { EventFrame } from "./link.js";
import { Presence, type RosterPage, Typists } from "./live.js";
import type { DurableOptions, History, PublishOptions, RoomOptions } from "./options.js";
import type { Entered, Place, RoomState } from "./place.js";
import { Deferred, later } from "./wait.js";

/** What a room needs of its hub. */
export interface RoomHub {
  ask(event: string, data: unknown, signal?: AbortSignal): Promise<any>;
  now(event: string, data: unknown): Promise<any>;
  /** This user, once it is known. */
  user(): string | undefined;
  store(body: Record<string, unknown>, options: PublishOptions): Promise<{ offset: number }>;
  tell(event: "recovered" | "gap" | "denied" | "left" | "error", about: unknown): void;
  /** Calls when there will be no connection, also if that is so already. */
  over(call: (error: HubError) => void): () => void;
  closed(room: Room): void;
  again(room: Room): void;
}

/** Who is behind in `for await` is told so, rather than that memory fills up. */
const backlog = 10_000;

/** The server's typing ends after 6 s of silence. */
const typingMs = 3000;

/** A room that this hub is in, or is to be in whenever it is connected. Made by `hub.room`. */
export class Room<E extends EventMap = AnyEvents> {
  /** Who is here, for rooms with `presence: true`. */
  readonly presence = new Presence();
  /** Who is typing. */
  readonly typists = new Typists();

  readonly #hub: RoomHub;
  readonly #events = new Emitter();
  readonly #states = new Emitter();
  readonly #options: RoomOptions;
  #name: string;
  #place: Place | undefined;
  #state: RoomState = "joining";
  #error: HubError | undefined;
  #held: EventFrame[] | undefined; // events that wait for a reload
  #reload: AbortController | undefined;
  #typed = 0;

  /** @internal Rooms are made by `hub.room`. */
  constructor(hub: RoomHub, name: string, options: RoomOptions) {
    this.#hub = hub;
    this.#name = name;
    this.#options = options;
  }

  /** `task:42`; that of `hub.me` is empty until the first connection. */
  get name(): string {
    return this.#name;
  }

  /** Whether its events are heard now. `denied` and `left` (put out) stay so until `join`. */
  get state(): RoomState {
    return this.#state;
  }

  /** Why it is `denied` or `left`. */
  get error(): HubError | undefined {
    return this.#error;
  }

  /** Up to where it was heard: keep it, and give it as `since`, to go on there after a restart. */
  get position(): Position | undefined {
    return this.#place?.position;
  }

  /** Hears an event of the room; what it returns ends that. */
  on<K extends EventName<E>>(event: K, listener: (data: EventData<E, K>, meta: Meta) => void, options?: ListenOptions): () => void {
    return this.#events.on(event, listener as never, options);
  }

  /** Hears an event once. */
  once<K extends EventName<E>>(event: K, listener: (data: EventData<E, K>, meta: Meta) => void, options?: ListenOptions): () => void {
    return this.on(event, listener, { ...options, once: true });
  }

  /** Hears an event no more. */
  off<K extends EventName<E>>(event: K, listener: (data: EventData<E, K>, meta: Meta) => void): void {
    this.#events.off(event, listener as never);
  }

  /** Hears every event of the room. */
  onAny(listener: (event: RoomEvent<E>) => void, options?: ListenOptions): () => void {
    return this.#events.on("*", ((_: unknown, __: unknown, whole: RoomEvent<E>) => listener(whole)) as never, options);
  }

  /** Hears of changes of `state`. */
  onState(listener: (state: RoomState) => void, options?: ListenOptions): () => void {
    return this.#states.on("state", listener, options);
  }

  /**
   * Every event of the room from when one begins to iterate. It ends when
   * the room is closed or `signal` aborts, and fails with `too_many` if 10,000
   * events wait for you.
   */
  async *events({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<RoomEvent<E>, void, undefined> {
    const waiting: RoomEvent<E>[] = [];
    let woken = new Deferred<void>();
    const wake = () => woken.resolve();
    const offs = [
      this.onAny((event) => {
        if (waiting.length <= backlog) waiting.push(event);
        wake();
      }),
      this.onState(wake),
    ];
    signal?.addEventListener("abort", wake);
    try {
      while (!signal?.aborted) {
        if (waiting.length > backlog) throw new HubError("too_many", `${backlog} events of ${this.name} waited`);
        const next = waiting.shift();
        if (next) yield next;
        else if (this.#state === "closed") return;
        else {
          await woken.promise;
          woken = new Deferred();
        }
      }
    } finally {
      for (const off of offs) off();
      signal?.removeEventListener("abort", wake);
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<RoomEvent<E>, void, undefined> {
    return this.events();
  }

  /**
   * Tells everyone in the room. Durable, it resolves once it is stored, over
   * however many connections that takes. Else it is now or never: it rejects
   * with `unavailable` when there is no connection.
   */
  publish<K extends EventName<E>>(event: K, data: EventData<E, K> | Uint8Array, options: DurableOptions): Promise<{ offset: number }>;
  publish<K extends EventName<E>>(event: K, data: EventData<E, K> | Uint8Array, options?: PublishOptions): Promise<void>;
  publish(event: string, data: unknown, options: PublishOptions = {}): Promise<unknown> {
    if (this.#state === "closed") return Promise.reject(closedError(this.name));
    const { echo, durable } = options;
    const what = data instanceof Uint8Array ? { base64: fromBytes(data) } : { data: data ?? null };
    const body = { room: this.name, event, ...what, echo };
    return durable ? this.#hub.store(body, options) : this.#hub.now("publish", body);
  }

  /**
   * Shows that this user is typing, or with `false` that they are not any more.
   * Call it at every key: it says so to the server as often as needed, and it
   * ends by itself.
   */
  typing(typing = true): void {
    const now = Date.now();
    if (typing ? now - this.#typed < typingMs && now >= this.#typed : !this.#typed) return;
    this.#typed = typing ? now : 0;
    void this.#hub.now(typing ? "typing:start" : "typing:stop", { room: this.name });
  }

  /** Reads the room's past, newest first in pages of `limit` (50; at most 200). It moves no position. */
  history({ signal, ...page }: { before?: number; limit?: number; signal?: AbortSignal } = {}): Promise<History> {
    return this.#hub.ask("history:get", { room: this.name, ...page }, signal);
  }

  /** Resolves when the room is joined, and rejects when it is denied, left or closed, or the hub is. */
  ready({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const offs: (() => void)[] = [];
    const end = new Deferred<void>(signal, () => offs.forEach((off) => off()));
    const look = () => {
      if (this.#state === "joined") end.resolve();
      else if (this.#state !== "joining") end.reject(this.#error ?? closedError(this.name));
    };
    offs.push(this.onState(look), this.#hub.over(end.reject));
    look();
    return end.promise;
  }

  /** Tries again to enter a room that is `denied` or `left`. */
  join(): void {
    if (this.#state === "denied" || this.#state === "left") this.#hub.again(this as unknown as Room);
  }

  /** Leaves the room, for good: for everyone who has it of this hub. */
  close(): void {
    if (this.#state === "closed") return;
    this.#reload?.abort();
    this.#hub.closed(this as unknown as Room);
    this.#become("closed");
    this.#events.clear();
    this.#states.clear();
  }

  /** @internal What happens to its place happens to it. */
  settle(place: Place | undefined, name = this.#name): this {
    this.#place = place;
    this.#name = name;
    return this;
  }

  /** @internal */
  readonly hears = {
    event: (frame: EventFrame): void => {
      this.#note(frame);
      if (!this.#held) this.#tell(frame);
      else if (this.#held.push(frame) > backlog) this.#overtaken();
    },
    state: (state: RoomState, error?: HubError): void => {
      this.#error = error;
      this.#become(state);
      if (state === "denied") this.#hub.tell("denied", { room: this.name, error });
      if (state === "left") this.#hub.tell("left", { room: this.name, reason: error?.message });
    },
    recovered: (missed: number): void => this.#hub.tell("recovered", { room: this.name, missed }),
    gap: (gap: Gap): void => {
      this.#hub.tell("gap", gap);
      if (this.#options.reload) void this.#load(gap, this.#options.reload);
    },
    roster: (entered: Entered): void => {
      if (entered.presence) void this.presence.entered(entered, (after) => this.#page(after));
      else if (entered.noPresence === "forbidden") this.presence.clear();
    },
  };

  /** Reads who is here behind a user: nothing if that cannot be, on this connection. */
  async #page(after: string): Promise<RosterPage | undefined> {
    for (;;) {
      try {
        return await this.#hub.now("presence:get", { room: this.name, after });
      } catch (error) {
        const { code, retryAfterMs } = error as HubError;
        if (!passing.has(code)) return;
        await new Promise((done) => setTimeout(done, retryAfterMs ?? later()));
        if (this.#state !== "joined") return;
      }
    }
  }

  /** Has the state loaded anew; what is heard meanwhile comes after it. */
  async #load(gap: Gap, reload: NonNullable<RoomOptions["reload"]>): Promise<void> {
    this.#reload?.abort();
    const turn = (this.#reload = new AbortController());
    this.#held = []; // what waited for another reload stands in this one
    try {
      await reload(gap, turn.signal);
    } catch (error) {
      if (!turn.signal.aborted) this.#hub.tell("error", error);
    }
    if (turn.signal.aborted) return;
    const held = this.#held;
    this.#held = undefined;
    for (const frame of held) this.#tell(frame);
  }

  /** The room goes faster than it can be loaded: what waited is missed, so it is loaded anew. */
  #overtaken(): void {
    const { room, offset } = this.#held!.find((frame) => frame.offset !== undefined) ?? {};
    const now = this.position;
    if (room && offset && now) this.hears.gap({ room, since: { epoch: now.epoch, offset: offset - 1 }, now });
    else this.#held = []; // signals, which may be lost
  }

  /** Keeps who is here and who types, which no reload brings. */
  #note({ event, data }: EventFrame): void {
    // Of a user's own room there is also told how they are in all of hubmesh.
    if (event === "presence:update" && data.room === this.name) this.presence.changed(data.changes ?? [data], this.#hub.user());
    else if (event === "user:typing") this.typists.set(data.user, true);
    else if (event === "user:stopped-typing") this.typists.set(data.user, false);
  }

  #tell({ event, data, room, offset, from, time }: EventFrame): void {
    const meta: Meta = room === undefined ? { event } : { event, room };
    if (offset !== undefined) meta.offset = offset;
    if (from !== undefined) meta.from = from;
    if (time !== undefined) meta.time = time;
    this.#events.emit(event, data, meta);
    this.#events.emit("*", data, meta, { ...meta, data });
  }

  #become(state: RoomState): void {
    if (this.#state === state) return;
    this.#state = state;
    if (state === "joining") this.presence.doubt();
    else if (state !== "joined") {
      this.presence.clear();
      this.typists.clear();
    }
    this.#states.emit("state", state);
  }
}

/** What a room that was closed says to whoever still asks it. */
function closedError(name: string): HubError {
  return new HubError("closed", `${name || "the room"} is closed`);
}
