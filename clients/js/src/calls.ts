import { HubError } from "./errors.js";
import type { Link } from "./link.js";
import { Deferred } from "./wait.js";

/** How a backend is asked. */
export interface CallOptions {
  /** Wait no longer. What was sent already may be done nonetheless. */
  signal?: AbortSignal | undefined;
  /** Wait so many milliseconds, for a connection and an answer together; 15,000 if not given. */
  timeout?: number;
  /**
   * Ask again on the next connection if this one ends before the answer came.
   * Only for what may be done twice: without it such a call rejects with
   * `disconnected`.
   */
  retry?: boolean;
}

interface Call {
  event: string;
  data: unknown;
  retry: boolean;
  away: boolean; // asked, and not answered
  end: Deferred<unknown>;
}

/** A gateway gives a backend 10 s. */
const answerMs = 15_000;

/** What was asked of backends, and waits for a connection or for its answer. */
export class Calls {
  readonly #all = new Set<Call>();
  readonly #size: number;
  #link: Link | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  add(event: string, data: unknown, { signal, timeout = answerMs, retry = false }: CallOptions): Promise<unknown> {
    if (this.#all.size >= this.#size) return Promise.reject(new HubError("too_many", `${this.#size} calls wait already`));
    const call = { event, data, retry, away: false } as Call;
    this.#all.add(call);
    const late = setTimeout(() => call.end.reject(new HubError("timeout", `no answer to ${event}`)), timeout);
    call.end = new Deferred(signal, () => {
      clearTimeout(late);
      this.#all.delete(call);
    });
    this.#send(call);
    return call.end.promise;
  }

  opened(link: Link): void {
    this.#link = link;
    this.#all.forEach((call) => this.#send(call));
  }

  ended(): void {
    this.#link = undefined;
  }

  /** Gives all up. */
  fail(error: HubError): void {
    this.#all.forEach((call) => call.end.reject(error));
  }

  #send(call: Call): void {
    if (!this.#link || call.away || !this.#all.has(call)) return;
    call.away = true;
    this.#link.ask(call.event, call.data, (data, error) => {
      call.away = false;
      if (!error) call.end.resolve(data);
      else if (!call.retry || error.code !== "disconnected") call.end.reject(error);
    });
  }
}
