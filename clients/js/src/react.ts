/**
 * Hooks for React 18 and 19. They hold no state of their own: what they show is
 * the hub's, which you make once, outside of components.
 *
 * @packageDocumentation
 */
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";
import type { AnyEvents, EventMap, Hub, HubState, Member, Room, RoomEvent, RoomOptions, RoomState } from "./index.js";

const nobody: readonly never[] = [];
const nothing = (): void => {};

/** Rooms that components have of a hub, and how many do. */
const held = new WeakMap<Hub, Map<string, { room: Room; uses: number }>>();

/** Opens a room, or takes part in the one that another component has; what it returns ends that. */
function hold(hub: Hub, name: string, options: RoomOptions | undefined): [Room, () => void] {
  const rooms = held.get(hub) ?? new Map<string, { room: Room; uses: number }>();
  held.set(hub, rooms);
  let entry = rooms.get(name);
  if (!entry || entry.room.state === "closed") {
    const uses = hub.rooms.has(name) ? 1 : 0; // one that you have opened yourself is yours to close
    entry = { room: hub.room(name, options), uses };
    rooms.set(name, entry);
  }
  const { room } = entry;
  entry.uses++;
  const release = () => {
    // Later, for whoever takes it over in the same go: the next page, or
    // StrictMode, which mounts everything twice.
    setTimeout(() => {
      if (--entry.uses > 0) return;
      if (rooms.get(name) === entry) rooms.delete(name);
      room.close();
    });
  };
  return [room, release];
}

/**
 * A room, for as long as the component is shown: undefined before it is mounted
 * and where `name` is. Components that name the same room share it, with the
 * options of the first.
 */
export function useRoom<E extends EventMap = AnyEvents>(hub: Hub, name: string | undefined, options?: RoomOptions): Room<E> | undefined {
  const [room, setRoom] = useState<Room>();
  const latest = useRef(options);
  latest.current = options;
  useEffect(() => {
    if (name === undefined) return;
    const [held, release] = hold(hub, name, latest.current);
    setRoom(held);
    return release;
  }, [hub, name]);
  return room && room.name === name && hub.rooms.get(room.name) === room ? (room as unknown as Room<E>) : undefined;
}

/** Calls `listener` for each event of a room: always the one of the last render. */
export function useRoomEvents<E extends EventMap>(room: Room<E> | undefined, listener: (event: RoomEvent<E>) => void): void {
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => room?.onAny((event) => latest.current(event)), [room]);
}

/** Where one stands with a room: `joining` until it is heard, and while the connection is away. */
export function useRoomState(room: Pick<Room, "state" | "onState"> | undefined): RoomState | undefined {
  const subscribe = useCallback((changed: () => void) => room?.onState(changed) ?? nothing, [room]);
  return useSyncExternalStore(subscribe, () => room?.state, () => undefined);
}

/** Who is in a room that was opened with `presence: true`. */
export function usePresence(room: Pick<Room, "presence"> | undefined): readonly Member[] {
  const subscribe = useCallback((changed: () => void) => room?.presence.on("change", changed) ?? nothing, [room]);
  return useSyncExternalStore(subscribe, () => room?.presence.list ?? nobody, () => nobody);
}

/** Who is typing in a room. */
export function useTypists(room: Pick<Room, "typists"> | undefined): readonly string[] {
  const subscribe = useCallback((changed: () => void) => room?.typists.on("change", changed) ?? nothing, [room]);
  return useSyncExternalStore(subscribe, () => room?.typists.list ?? nobody, () => nobody);
}

/** The connection, as one can show it. */
export function useHubState(hub: Hub): HubState {
  const subscribe = useCallback((changed: () => void) => hub.on("state", changed), [hub]);
  const look = () => hub.state;
  return useSyncExternalStore(subscribe, look, look);
}
