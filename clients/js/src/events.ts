/** Up to where a room was heard: an offset in the log that `epoch` names. */
export interface Position {
  epoch: string;
  offset: number;
}

/** What is known of an event beside its data. */
export interface Meta {
  event: string;
  /** Absent if it was told to this connection alone. */
  room?: string;
  /** Its place in the log; absent from signals, which are not stored. */
  offset?: number;
  /** The user who published it; absent if none did. */
  from?: string;
  /** When it was stored, in unix milliseconds. */
  time?: number;
}

/** A user's status. Who is `invisible` is offline to others. */
export type Status = "online" | "away" | "busy" | "invisible";

/** A user as a room's roster shows them. */
export interface Member {
  user: string;
  /** The claim `info` of their token: name, avatar, … */
  info?: any;
  status: Status;
  text?: string;
  data?: any;
  /** How many of their connections were in the room when they last changed; 0 in the seconds after the last one was lost. */
  connections: number;
  /** Since when they are here, in unix milliseconds. */
  since: number;
  /** When they last changed, or were found to be here; in unix milliseconds. */
  lastSeen: number;
}

/** A change of one user's presence: in a room, or without one in all of hubmesh, as who is in `user:…` of that user is told. */
export interface PresenceChange extends Omit<Member, "status" | "since" | "lastSeen"> {
  room?: string;
  status: Status | "offline";
  change: "join" | "leave" | "status";
}

/** The collaboration hub's own events, and their data. */
export interface HubEvents {
  "presence:update": PresenceChange | { room: string; changes: PresenceChange[] };
  "task:update": {
    taskId: string;
    change: "created" | "updated" | "deleted";
    task?: Record<string, unknown>;
    by: string;
  };
  "task:assigned": { taskId: string; assignee: string; by: string };
  "comment:added": { commentId: string; room: string; author: string; text: string };
  "user:typing": { room: string; user: string };
  "user:stopped-typing": { room: string; user: string };
  notification: { id: string; title: string; body?: string; link?: string };
}

/** Events of your own: an interface of names and their data. */
export type EventMap = object;

/** An untyped room: any event, any data. The hub's own events stay typed. */
export type AnyEvents = Record<string, any>;

/** The names of a room's events: yours and the hub's own. */
export type EventName<E extends EventMap> = (keyof E | keyof HubEvents) & string;

/** The data of an event. What you say of one of the hub's own names holds. */
export type EventData<E extends EventMap, K> = K extends keyof HubEvents
  ? string extends keyof E
    ? HubEvents[K]
    : K extends keyof E
      ? E[K]
      : HubEvents[K]
  : K extends keyof E
    ? E[K]
    : never;

/** One event, as `for await (const e of room)` gives it. Tell them apart by `event`. */
export type RoomEvent<E extends EventMap> = {
  [K in EventName<E>]: Meta & { event: K; data: EventData<E, K> };
}[EventName<E>];

/**
 * What a client could not be told: the log no longer holds what was said in a
 * room between `since` and `now`, or cannot prove that it does.
 */
export interface Gap {
  room: string;
  since: Position;
  now: Position;
}

/** The bytes of an event that was published as bytes, or undefined if it was not. */
export function toBytes(data: unknown): Uint8Array | undefined {
  const text = (data as { base64?: unknown } | null)?.base64;
  return typeof text === "string" ? Uint8Array.from(atob(text), (c) => c.charCodeAt(0)) : undefined;
}

/** How bytes go over the wire. */
export function fromBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
