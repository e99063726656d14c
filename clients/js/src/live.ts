import { Emitter, type ListenOptions } from "./emitter.js";
import type { Member, PresenceChange } from "./events.js";
import type { Entered } from "./place.js";

/** What a presence tells: one member's change, and `change` after each of them and after many at once. */
export interface PresenceEvents {
  join: (member: Member) => void;
  leave: (member: Member) => void;
  /** A member's status, text, data or number of connections. */
  status: (member: Member) => void;
  change: (members: readonly Member[]) => void;
}

/**
 * Who is in a room: a live map from user to member. It is empty until the room
 * is joined, stays as it was while the connection is away, and is right again
 * when the room is.
 */
export class Presence implements Iterable<[string, Member]> {
  readonly #members = new Map<string, Member>();
  readonly #events = new Emitter();
  #list: readonly Member[] = [];
  #counts: { users: number; connections: number } | undefined;

  /** Hears of changes; what it returns ends that. */
  on<K extends keyof PresenceEvents>(event: K, listener: PresenceEvents[K], options?: ListenOptions): () => void {
    return this.#events.on(event, listener, options);
  }

  /** All members, as one array that is another one after each change. */
  get list(): readonly Member[] {
    return this.#list;
  }

  /**
   * How many are here, where there are more than the server lists at once (200).
   * The others are read by `hub.call("presence:get", { room, after })`.
   */
  get counts(): { users: number; connections: number } | undefined {
    return this.#counts;
  }

  get size(): number {
    return this.#members.size;
  }

  get(user: string): Member | undefined {
    return this.#members.get(user);
  }

  has(user: string): boolean {
    return this.#members.has(user);
  }

  [Symbol.iterator](): IterableIterator<[string, Member]> {
    return this.#members[Symbol.iterator]();
  }

  /** @internal What the server has told in an answer or an event of the room. */
  take(said: Entered | PresenceChange | { changes: PresenceChange[] }): void {
    if ("epoch" in said) this.#roster(said);
    else for (const change of "changes" in said ? said.changes : [said]) this.#change(change);
    this.#list = [...this.#members.values()];
    this.#events.emit("change", this.#list);
  }

  #roster({ presence = [], counts }: Entered): void {
    this.#counts = counts;
    const now = new Set(presence.map((member) => member.user));
    for (const [user, member] of this.#members) if (!now.has(user)) this.#leave(member);
    for (const member of presence) this.#set(member);
  }

  #change({ change, room: _, ...said }: PresenceChange): void {
    const before = this.#members.get(said.user);
    if (change === "leave") {
      if (before) this.#leave(before);
      return;
    }
    const now = Date.now();
    const begin: Member = { user: said.user, status: "online", connections: 1, since: now, lastSeen: now };
    this.#set({ ...(before ?? begin), ...said });
  }

  #set(member: Member): void {
    const before = this.#members.get(member.user);
    this.#members.set(member.user, member);
    if (!before) this.#events.emit("join", member);
    else if (JSON.stringify(before) !== JSON.stringify(member)) this.#events.emit("status", member);
  }

  #leave(member: Member): void {
    this.#members.delete(member.user);
    this.#events.emit("leave", member);
  }
}

/** The protocol's rule for who hears no end of it. */
const forgetMs = 8000;

/** Who is typing in a room. */
export class Typists {
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #events = new Emitter();
  #list: readonly string[] = [];

  /** Hears of changes; what it returns ends that. */
  on(event: "change", listener: (users: readonly string[]) => void, options?: ListenOptions): () => void {
    return this.#events.on(event, listener, options);
  }

  /** The users, as one array that is another one after each change. */
  get list(): readonly string[] {
    return this.#list;
  }

  /** @internal */
  set(user: string, typing: boolean): void {
    clearTimeout(this.#timers.get(user));
    if (typing) this.#timers.set(user, setTimeout(() => this.set(user, false), forgetMs));
    else this.#timers.delete(user);
    if (this.#list.includes(user) === typing) return;
    this.#list = [...this.#timers.keys()];
    this.#events.emit("change", this.#list);
  }

  /** @internal */
  clear(): void {
    for (const user of this.#list) this.set(user, false);
  }
}
