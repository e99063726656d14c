import client = require("hubmesh-client");

const hub = new client.Hub("/ws", { token: "t" });
hub.on("gap", ({ room, since, now }) => `${room} ${since.offset} ${now.offset}`);
hub.on("state", (state) => (state.status === "closed" ? state.reason : ""));
