/**
 * The client of hubmesh, for browsers and Node.
 *
 * Begin reading with `hub.ts` (what one uses), then `connection.ts` (how it
 * comes back), `link.ts` (one connection), `place.ts` and `rooms.ts` (how a room
 * misses nothing), and `outbox.ts` (how an event is stored once).
 *
 * @packageDocumentation
 */
export type { BackoffOptions } from "./backoff.js";
export type { CallOptions } from "./calls.js";
export type { CloseReason, HubState, TokenRequest, TokenSource } from "./connection.js";
export type { ListenOptions } from "./emitter.js";
export { type ErrorCode, HubError } from "./errors.js";
export {
  type AnyEvents,
  type EventData,
  type EventMap,
  type EventName,
  type Gap,
  type HubEvents,
  type Member,
  type Meta,
  type Position,
  type PresenceChange,
  type RoomEvent,
  type Status,
  toBytes,
} from "./events.js";
export { Hub, type HubListeners, type HubOptions } from "./hub.js";
export type { WebSocketClass, WebSocketLike } from "./link.js";
export type { Presence, PresenceEvents, Typists } from "./live.js";
export type { RoomState } from "./place.js";
export type { DurableOptions, History, PublishOptions, RoomOptions } from "./options.js";
export type { Room } from "./room.js";
export type { StatusOptions } from "./status.js";
