// The page: a backend's form, the mesh's figures, and a side for each user.

import { find } from "./make.js";
import { Side } from "./side.js";

const meshEvery = 2000; // ms between two looks at the mesh's figures

// backend makes the form that speaks over NATS.
function backend(config) {
  const form = find("backend");
  const title = find("title");
  const data = () => JSON.stringify({ title: title.value });
  const show = () => {
    const quoted = data().replaceAll("'", `'\\''`);
    find("command").textContent = `nats pub ${config.event} '${quoted}' -H Hub-Event:task:update`;
  };
  title.oninput = show;
  show();
  form.onsubmit = async (submit) => {
    submit.preventDefault();
    const durable = Boolean(submit.submitter?.value ?? "yes");
    const result = find("result");
    try {
      const answer = await fetch("/demo/publish", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ event: "task:update", data: { title: title.value }, durable }),
      });
      const said = await answer.json();
      if (said.error) throw new Error(said.error.message);
      result.className = "result";
      result.textContent = durable ? `Stored from ${said.subject} at offset ${said.offset}` : `Said on ${said.subject}, stored nowhere`;
    } catch (error) {
      result.className = "result bad";
      result.textContent = `Not published: ${error.message}`;
    }
  };
}

// mesh shows the figures that any monitoring can ask for too.
async function mesh() {
  try {
    const answer = await fetch("/api/v1/ws/metrics");
    if (!answer.ok) throw new Error(answer.statusText);
    const { serverId, totalConnections, serverCount } = await answer.json();
    find("mesh").textContent = `gateway ${serverId}, connections: ${totalConnections}, gateways: ${serverCount}`;
  } catch {
    find("mesh").textContent = "the gateway does not answer";
  }
  setTimeout(mesh, meshEvery);
}

const config = await (await fetch("/demo/config.json")).json();
find("room").textContent = config.room;
backend(config);
for (const user of config.users) new Side(user, config.room);
setTimeout(mesh, 500); // when the sides are connected, and count
if (config.users.length === 0) {
  find("notice").hidden = false;
  find("notice").textContent = "There are no tokens to show users with: they are checked with public keys here, so hubmesh dev cannot make one.";
}
