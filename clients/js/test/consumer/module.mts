// What a user's types allow and forbid. Nothing here is run.

import { Hub, type HubEvents, type RoomEvent } from "hubmesh-client";
import { usePresence, useRoom } from "hubmesh-client/react";
import WebSocket from "ws";

interface Board {
  "card:moved": { card: string; to: string };
  "task:update": { mine: true };
}

const hub = new Hub("https://app.example.com", { token: async ({ reason }) => reason, WebSocket });

const board = hub.room<Board>("task:42", { presence: true, last: 20 });
board.on("card:moved", ({ card }) => card.length);
board.on("task:update", (data) => data.mine); // one's own type of a name holds
board.on("comment:added", ({ text }, { offset }) => text.length + (offset ?? 0));
const stored: Promise<{ offset: number }> = board.publish("card:moved", { card: "7", to: "done" }, { durable: true });
const said: Promise<void> = board.publish("card:moved", { card: "7", to: "done" });
// @ts-expect-error: there is no such event
board.on("card:deleted", () => {});
// @ts-expect-error: this is no data of that event
void board.publish("card:moved", { card: 7 });

const any = hub.room("task:43");
any.on("whatever", (data) => data.anything);
any.on("notification", (data: HubEvents["notification"]) => data.title);
// @ts-expect-error: the hub's own events are typed in every room
any.on("notification", (data) => data.titel);

export function tell(event: RoomEvent<Board>): string {
  return event.event === "card:moved" ? event.data.card : event.event;
}

export function Who(): string {
  const room = useRoom<Board>(hub, "task:42", { presence: true });
  return usePresence(room).map((member) => member.user).join();
}

export { said, stored };
