// The page of react.test.ts.

import { createElement as h, StrictMode, useState, version } from "react";
import { Hub } from "hubmesh-client";
import { useHubState, usePresence, useRoom, useRoomEvents, useRoomState, useTypists } from "hubmesh-client/react";

// Its types are those of the version that the test puts in its place.
// @ts-expect-error: react-dom is no dependency of its own
import { createRoot } from "react-dom/client";

declare global {
  interface Window {
    given: { url: string; token: string };
  }
}

const { url, token } = window.given;
const hub = new Hub(url, { token, backoff: { first: 100, most: 100 } });
hub.room("task:mine");
const subscribed: string[] = [];
hub.on("frame", (way, text) => {
  const { event, data } = JSON.parse(text);
  if (way === "out" && event === "subscribe") subscribed.push(...data.rooms.map((at: { room: string }) => at.room));
});

let show: (name: string | undefined) => void;

function Board({ name }: { name: string }) {
  const room = useRoom(hub, name, { presence: true });
  const [heard, setHeard] = useState<string[]>([]);
  useRoomEvents(room, ({ event, data }) => event === "n" && setHeard((before) => [...before, data]));
  const here = usePresence(room).map(({ user }) => user);
  const typing = useTypists(room);
  return h("pre", null, `${name}: ${useRoomState(room)}\nheard: ${heard.join(" ")}\nhere: ${here.join(" ")}\ntyping: ${typing.join(" ")}`);
}

/** Has the same room as the first, which they share. */
function Second({ name }: { name: string }) {
  return h("p", null, useRoom(hub, name)?.name);
}

function App() {
  const [name, setName] = useState<string | undefined>("task:1");
  show = setName;
  const { status } = useHubState(hub);
  return h("div", null, h("p", null, `React ${version}: ${status}`), name && h(Board, { name }), name && h(Second, { name }), name && h(Second, { name: "task:mine" }));
}

createRoot(document.getElementById("root")!).render(h(StrictMode, null, h(App)));
Object.assign(window, { hub, subscribed, show: (name: string | undefined) => show(name) });
