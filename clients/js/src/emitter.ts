/** How a listener is added. */
export interface ListenOptions {
  /** Takes the listener away when it aborts. */
  signal?: AbortSignal | undefined;
  /** Takes the listener away after its first call. */
  once?: boolean;
}

type Listener = (...args: never[]) => void;

/**
 * Calls listeners by name, in the order in which they were added. One that
 * throws harms nobody else: its error is reported as uncaught, as that of a DOM
 * listener is.
 */
export class Emitter {
  #listeners = new Map<string, Set<{ call: Listener; once: boolean }>>();

  on(name: string, call: Listener, { signal, once = false }: ListenOptions = {}): () => void {
    if (signal?.aborted) return () => {};
    const entry = { call, once };
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(entry));
    const off = () => {
      all.delete(entry);
      signal?.removeEventListener("abort", off);
    };
    signal?.addEventListener("abort", off);
    return off;
  }

  off(name: string, call: Listener): void {
    const all = this.#listeners.get(name);
    all?.forEach((entry) => entry.call === call && all.delete(entry));
  }

  emit(name: string, ...args: unknown[]): void {
    const all = this.#listeners.get(name);
    for (const entry of [...(all ?? [])]) {
      if (!all!.has(entry)) continue; // taken away by one before it
      if (entry.once) all!.delete(entry);
      attempt(() => entry.call(...(args as never[])));
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}

/** Runs what a user has given us; its fault must not become ours. */
export function attempt(run: () => void): void {
  try {
    run();
  } catch (fault) {
    queueMicrotask(() => {
      throw fault;
    });
  }
}
