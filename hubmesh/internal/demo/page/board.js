// The tasks of a room, as its events have made them. The log is all there is:
// whoever comes reads it, and whoever may have missed something reads it anew.

export class Board {
  #tasks = new Map();

  // take takes an event in. What a task was before an update that says less, it
  // stays; one that a backend updates without a taskId is the room's own.
  take({ event, data, room }) {
    if (event !== "task:update" || typeof data !== "object" || !data) return;
    const id = String(data.taskId ?? room.slice(room.indexOf(":") + 1));
    if (data.change === "deleted") {
      this.#tasks.delete(id);
      return;
    }
    const said = data.task ?? data;
    const before = this.#tasks.get(id) ?? { id, title: `task ${id}`, done: false };
    this.#tasks.set(id, { id, title: String(said.title ?? before.title), done: Boolean(said.done ?? before.done) });
  }

  clear() {
    this.#tasks.clear();
  }

  // list is all tasks that are done, or that are not.
  list(done) {
    return [...this.#tasks.values()].filter((task) => task.done === done);
  }
}
