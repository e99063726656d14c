import { Emitter, type ListenOptions } from "./emitter.js";
import type { Member, PresenceChange, Status } from "./events.js";
import type { Entered } from "./place.js";

/** What a presence tells: one member's change, and `change` after each of them and after many at once. */
export interface PresenceEvents {
  join: (member: Member) => void;
  leave: (member: Member) => void;
  /** A member's status, text, data or number of connections. */
  status: (member: Member) => void;
  change: (members: readonly Member[]) => void;
}

/** A part of a room's roster, in the order of the users' names. */
export interface RosterPage {
  users: Member[];
  /** There are more, behind this user. */
  next?: string;
}

/**
 * Up to how many users a room's roster is read to its end: in five pages, and
 * from there on the server tells of changes once a second.
 */
const wholeUsers = 1000;

/**
 * Who is in a room, this user too: a live map from user to member. It is empty
 * until the room is joined, stays as it was while the connection is away, and is
 * right again soon after the room is joined again.
 *
 * Of more than 1,000 users it holds the first 200 and all who have come or
 * changed since; `count` says how many there are, and
 * `hub.call("presence:get", { room, after })` reads on behind one.
 */
export class Presence implements Iterable<[string, Member]> {
  readonly #members = new Map<string, Member>();
  readonly #events = new Emitter();
  #list: readonly Member[] = [];
  #whole = false;
  #count = 0;
  #heard: Set<string> | undefined; // of whom changes were told while the roster is read

  /** Hears of changes; what it returns ends that. */
  on<K extends keyof PresenceEvents>(event: K, listener: PresenceEvents[K], options?: ListenOptions): () => void {
    return this.#events.on(event, listener, options);
  }

  /** All members, as one array that is another one after each change. */
  get list(): readonly Member[] {
    return this.#list;
  }

  /** Whether these are all who are here, as far as can be known: not while the room is joined, nor of more than 1,000. */
  get whole(): boolean {
    return this.#whole;
  }

  /** How many users are here, also where not all of them are in this map. */
  get count(): number {
    return this.#whole ? this.size : Math.max(this.#count, this.size);
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

  /**
   * @internal The room was entered, and the server has told the first who are
   * here; `read` gives the others. A page may be older than the changes that are
   * told meanwhile, so of whom there is one it says nothing.
   */
  async entered({ presence, counts }: Entered, read: (after: string) => Promise<RosterPage | undefined>): Promise<void> {
    this.doubt();
    const heard = (this.#heard = new Set<string>());
    const here = new Set<string>();
    this.#count = counts?.users ?? 0;
    const whole = this.#count <= wholeUsers;
    let page: RosterPage | undefined = { users: presence! };
    if (counts && whole) page.next = presence!.at(-1)!.user;
    for (;;) {
      for (const member of page.users) {
        here.add(member.user);
        if (!heard.has(member.user)) this.#set(member);
      }
      if (page.next === undefined) break;
      this.#changed();
      page = await read(page.next);
      if (!page || this.#heard !== heard) return; // it is entered anew
    }
    for (const [user, member] of this.#members) if (!here.has(user) && !heard.has(user)) this.#leave(member);
    this.#heard = undefined;
    this.#whole = whole;
    this.#changed();
  }

  /** @internal The server has told what has changed since. `me` is this user. */
  changed(changes: readonly PresenceChange[], me: string | undefined): void {
    for (const { change, room: _, ...said } of changes) {
      const { user } = said;
      const before = this.#members.get(user);
      this.#heard?.add(user);
      // One who is invisible has left for all others, and is here still for themselves.
      const hidden = change === "leave" && user === me;
      if (change === "join" && !before) this.#count++;
      if (hidden) {
        if (before) this.#set({ ...before, status: "invisible" });
      } else if (change === "leave") {
        this.#count--;
        if (before) this.#leave(before);
      } else {
        const now = Date.now();
        this.#set({ ...said, status: said.status as Status, since: before?.since ?? now, lastSeen: now });
      }
    }
    this.#changed();
  }

  /** @internal Changes are not heard any more: what is here may not be so. */
  doubt(): void {
    this.#count = this.count;
    this.#whole = false;
    this.#heard = undefined;
  }

  /** @internal Nobody is known to be here. */
  clear(): void {
    this.doubt();
    if (!this.size) return;
    for (const member of this.#members.values()) this.#leave(member);
    this.#count = 0;
    this.#changed();
  }

  #changed(): void {
    this.#list = [...this.#members.values()];
    this.#events.emit("change", this.#list);
  }

  #set(member: Member): void {
    const before = this.#members.get(member.user);
    this.#members.set(member.user, member);
    if (!before) this.#events.emit("join", member);
    else if (shown(before) !== shown(member)) this.#events.emit("status", member);
  }

  #leave(member: Member): void {
    this.#members.delete(member.user);
    this.#events.emit("leave", member);
  }
}

/** What of a member is worth an event. */
function shown({ info, status, text, data, connections }: Member): string {
  return JSON.stringify([info, status, text, data, connections]);
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
