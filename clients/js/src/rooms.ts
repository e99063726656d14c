import { HubError, passing } from "./errors.js";
import type { Position } from "./events.js";
import type { EventFrame, Hello, Link } from "./link.js";
import { type Entered, Place, type PlaceOwner } from "./place.js";
import { later } from "./wait.js";

/** What the server answers to `subscribe`. */
interface Subscribed {
  rooms: Entered[];
  denied: { room: string; code: string; message: string }[];
}


/** What the server says of a room, to this connection alone. */
const ofRooms = new Set(["presence:update", "user:typing", "user:stopped-typing"]);

/** All rooms of a hub: enters them on each connection, and says from where. */
export class Rooms {
  readonly #places = new Map<string, Place>();
  #link: Link | undefined;
  #due = false; // entering is about to be asked

  /** Has a room heard from now on. */
  add(name: string, owner: PlaceOwner, { presence, last, since }: { presence: boolean; last: number | undefined; since: Position | undefined }): Place {
    const place = this.#places.get(name) ?? new Place(name);
    this.#places.set(name, place);
    place.owners.add(owner);
    place.presence ||= presence;
    place.last ??= last;
    place.position ??= since;
    if (place.own && place.live) owner.state("joined");
    this.enter();
    return place;
  }

  /** Has it heard no more. */
  remove(name: string, owner: PlaceOwner): void {
    const place = this.#places.get(name);
    if (!place?.owners.delete(owner) || place.owners.size || place.own) return;
    this.#places.delete(place.name);
    if (place.asked) this.#link?.ask("unsubscribe", { rooms: [place.name] }, () => {});
  }

  /** Asks anew for one that we were kept or put out of. */
  again(name: string): void {
    const place = this.#places.get(name);
    if (!place?.out) return;
    place.out = place.asked = false;
    place.tell("state", "joining");
    this.enter();
  }

  /** Asks to enter what is not entered: once for all that is wanted in one go. */
  enter(): void {
    if (this.#due || !this.#link) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#enterAll();
    });
  }

  #enterAll(): void {
    this.#enter(true);
    this.#enter(false);
  }

  #enter(presence: boolean): void {
    const wanted = [...this.#places.values()].filter(
      (p) => p.owners.size && !p.asked && !p.out && p.presence === presence && (!p.own || p.presence),
    );
    if (!wanted.length || !this.#link) return;
    const link = this.#link;
    for (const place of wanted) place.asked = true;
    link.ask("subscribe", { rooms: wanted.map((p) => p.wish), presence: presence || undefined }, (data: Subscribed, error) => {
      // One that was closed meanwhile, and perhaps opened again, is another place.
      const still = new Map(wanted.filter((p) => this.#places.get(p.name) === p).map((p) => [p.name, p]));
      if (error) return still.forEach((place) => this.#refused(place, error));
      for (const at of data.rooms) {
        const place = still.get(at.room);
        place?.entered(at);
        if (place && at.noPresence) this.#rosterLater(place, at.noPresence);
      }
      for (const { room, code, message } of data.denied) {
        const place = still.get(room);
        if (place) this.#refused(place, new HubError(code, message));
      }
    });
  }

  /** We are in, but were not told who else is: that is asked for again, by entering anew. */
  #rosterLater(place: Place, code: string): void {
    // Of very many large rooms at once some are too large for one answer.
    if (!passing.has(code) && code !== "too_large") return;
    const link = this.#link;
    setTimeout(() => {
      if (link !== this.#link || !place.live || !place.owners.size) return;
      link?.ask("subscribe", { rooms: [place.name], presence: true }, (data: Subscribed | undefined, error) => {
        const at = data?.rooms[0];
        if (at?.presence) place.tell("roster", at); // its position may overtake a replay, so it is none
        else this.#rosterLater(place, at?.noPresence ?? error?.code ?? data?.denied[0]?.code ?? "");
      });
    }, later());
  }

  #refused(place: Place, error: HubError): void {
    if (error.code === "disconnected") return; // the next connection asks anew
    if (!passing.has(error.code)) {
      place.out = true;
      place.live = false;
      place.tell("state", "denied", error);
      return;
    }
    const link = this.#link;
    setTimeout(() => {
      if (link !== this.#link) return;
      place.asked = false;
      this.enter();
    }, error.retryAfterMs ?? later());
  }

  /**
   * The least position of the rooms that we are in by ourselves, since they
   * share one on return; none if they are not of one log.
   */
  since(): Position | undefined {
    const all = [...this.#places.values()].filter((p) => p.own).map((p) => p.position);
    const [first] = all;
    if (!first || all.some((p) => p?.epoch !== first.epoch)) return undefined;
    return { epoch: first.epoch, offset: Math.min(...all.map((p) => p!.offset)) };
  }

  opened(link: Link, hello: Hello, since: Position | undefined): void {
    this.#link = link;
    for (const name of hello.rooms) {
      const place = this.#places.get(name) ?? new Place(name);
      this.#places.set(name, place);
      // One that we have heard without being in it by ourselves was no part of
      // what `since` stands for: it is entered from where it is.
      if (place.own || !place.position) place.greeted(hello, since);
    }
    for (const place of this.#places.values()) {
      if (place.own && !hello.rooms.includes(place.name)) place.own = false;
      if (!place.own && !place.owners.size) this.#places.delete(place.name);
    }
    this.#enterAll(); // before anything that waits is published
  }

  /** The connection has ended. */
  ended(): void {
    this.#link = undefined;
    this.#places.forEach((place) => place.lost());
  }

  /** Hands an event to its room, and to `me` what is told to this connection alone. */
  event(frame: EventFrame, me: PlaceOwner | undefined): void {
    const epoch = this.#link?.hello?.position.epoch;
    if (frame.room) {
      if (epoch) this.#places.get(frame.room)?.heard(frame, epoch);
      return;
    }
    me?.event(frame);
    const place = this.#places.get(frame.data?.room);
    if (!place) return;
    if (epoch && ofRooms.has(frame.event)) place.heard({ ...frame, room: place.name }, epoch);
    else if (frame.event === "room:left") this.#left(place, frame.data.reason);
    else if (frame.event === "room:joined" && place.out) {
      // A backend's right, which the policy need not grant: so we do not ask,
      // and what came meanwhile is unknown.
      place.out = false;
      place.asked = true;
      place.entered({ ...(frame.data as Entered), recovered: false });
    }
  }

  #left(place: Place, reason: string): void {
    place.live = place.own = place.asked = false;
    place.out = true;
    place.tell("state", "left", new HubError("left", reason));
  }

  /** A heartbeat speaks of the rooms that were entered before it was sent. */
  beat(): (position: Position) => void {
    const places = [...this.#places.values()].filter((p) => p.live);
    return (position) => places.forEach((p) => p.live && p.complete(position));
  }
}
