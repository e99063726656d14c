import type { HubError } from "./errors.js";
import type { Gap, Member, Position } from "./events.js";
import type { EventFrame, Hello } from "./link.js";

/** Where one stands with a room. */
export type RoomState = "joining" | "joined" | "denied" | "left" | "closed";

/** What the server answers of one room that was entered. */
export interface Entered {
  room: string;
  offset: number;
  epoch: string;
  recovered?: boolean;
  missed?: number;
  /** Who is in it: the first 200, with `counts` where there are more. */
  presence?: Member[];
  counts?: { users: number; connections: number };
  /** Why that is not told. */
  noPresence?: string;
}

/** Who hears of a room. */
export interface PlaceOwner {
  event(frame: EventFrame): void;
  state(state: RoomState, error?: HubError): void;
  recovered(missed: number): void;
  gap(gap: Gap): void;
  roster(entered: Entered): void;
}

/**
 * A room as this client knows it: up to where it was heard, and whether it is
 * heard now. The position moves as the protocol says, and by nothing else: an
 * answer of one's own publish, for one, is no position, since others' events
 * before it may be on their way still.
 */
export class Place {
  position: Position | undefined;
  /** The server has said, on this connection, that we are in. */
  live = false;
  /** We are in by ourselves, from `connected` on, and cannot leave. */
  own = false;
  /** We have asked to be in, on this connection. */
  asked = false;
  /** Kept out or put out: not asked for again by itself. */
  out = false;
  /** Who hears of it; nobody if we are only in it by ourselves. */
  readonly owners = new Set<PlaceOwner>();
  presence = false;
  last: number | undefined;

  constructor(readonly name: string) {}

  /** How it is spelt in `subscribe`. */
  get wish(): object {
    if (this.own) return { room: this.name }; // what was missed there follows `connected`
    return { room: this.name, since: this.position, last: this.position ? undefined : this.last };
  }

  /** Tells all owners. */
  tell<K extends keyof PlaceOwner>(what: K, ...about: Parameters<PlaceOwner[K]>): void {
    for (const owner of [...this.owners]) (owner[what] as (...about: unknown[]) => void)(...about);
  }

  /** The connection has ended. What we were in by ourselves stays so until the next one says otherwise. */
  lost(): void {
    if (this.live) this.tell("state", "joining");
    this.live = this.asked = false;
  }

  /** The server has let us in by itself; `since` is what the connection began with. */
  greeted({ position, recovered, missed }: Hello, since: Position | undefined): void {
    this.own = this.live = true;
    if (missed) this.position ??= since;
    // Positions of two logs could not be given as one, so nothing was judged.
    else this.#told({ ...position, recovered: since ? recovered : !this.position });
    if (recovered) this.tell("recovered", missed ?? 0);
    this.tell("state", "joined");
  }

  /** The server has let us in as we asked. */
  entered(at: Entered): void {
    this.live = true;
    // Of what follows `connected`, an event may be on its way still.
    if (!this.own && !at.missed) this.#told(at);
    if (at.recovered) this.tell("recovered", at.missed ?? 0);
    this.tell("roster", at);
    this.tell("state", "joined");
  }

  /** Nothing was missed, or it is unknown what: this is where we are. */
  #told({ epoch, offset, recovered }: { epoch: string; offset: number; recovered?: boolean | undefined }): void {
    const since = this.position;
    const now = { epoch, offset };
    // A gateway that is behind tells less nothing that we have heard already.
    if (recovered !== false && since?.epoch === epoch && since.offset > offset) return;
    this.position = now;
    if (recovered === false && since && (since.epoch !== epoch || since.offset !== offset)) this.tell("gap", { room: this.name, since, now });
  }

  /** Takes an event in, unless it was heard before or does not concern us. */
  heard(frame: EventFrame, epoch: string): void {
    if (!this.live) return;
    const { offset } = frame;
    if (offset !== undefined) {
      if (this.position?.epoch === epoch && offset <= this.position.offset) return;
      this.position = { epoch, offset };
    }
    this.tell("event", frame);
  }

  /** Everything up to there was heard. */
  complete(to: Position): void {
    if (this.position?.epoch === to.epoch && to.offset <= this.position.offset) return;
    this.position = to;
  }
}
