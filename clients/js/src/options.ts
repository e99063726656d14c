import type { Gap, Meta, Position } from "./events.js";

/** How a room is entered. */
export interface RoomOptions {
  /** Also hear who is here: `room.presence`. */
  presence?: boolean;
  /** Begin with the newest so many events, at most 200. */
  last?: number;
  /** Begin behind this position, as `room.position` once gave it. It beats `last`. */
  since?: Position;
  /**
   * Called when it is not known what was missed, to load the room's state anew
   * from your backend. Events wait until it is done, so nothing is lost between
   * the two. `signal` aborts when there is another gap before that.
   */
  reload?: (gap: Gap, signal: AbortSignal) => void | Promise<void>;
}

/** How an event is published. */
export interface PublishOptions {
  /** Store it, before the promise resolves: who is away hears it later. It is sent again until it is. */
  durable?: boolean;
  /** Of a durable event, at most 128 bytes: the same key is stored once. One is made up if you give none. */
  key?: string;
  /** Hear it here too. */
  echo?: boolean;
  /** Wait no longer. What was sent already may be stored nonetheless. */
  signal?: AbortSignal;
}

/** Publishes that are stored. */
export type DurableOptions = PublishOptions & { durable: true };

/** An event of the room's past. */
export interface History {
  /** Oldest first. */
  events: (Meta & { data: unknown; offset: number })[];
  epoch: string;
  /** There are older ones: ask for those `before` the first. */
  more: boolean;
}
