import { HubError } from "./errors.js";
import type { Link } from "./link.js";
import { Deferred } from "./wait.js";

/** A durable event on its way. */
interface Letter {
  body: { room: string; event: string; key: string } & Record<string, unknown>;
  tried: number; // when it was first sent and may have been stored; 0 if it was not
  away: boolean; // sent, and not answered
  end: Deferred<{ offset: number }>;
}

/**
 * The server knows a key again for 2 minutes; after that a second try might be
 * stored twice. The rest is for the way and for clocks.
 */
const keyMs = 110_000;
const againMs = 1000;

/** What a second try may mend. `timeout` may have been stored: the key tells. */
const passing = new Set(["unavailable", "rate_limited", "too_many", "timeout"]);
const notDone = new Set(["rate_limited", "too_many"]);

/**
 * Durable events that wait to be stored, over however many connections. In each
 * room one goes after the other, so that their order holds through failures; at
 * most `size` wait, then more are refused with `too_many`.
 */
export class Outbox {
  readonly #lines = new Map<string, Letter[]>(); // by room, in the order in which they were given
  readonly #size: number;
  #waiting = 0;
  #link: Link | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  /** Resolves once it is stored. */
  add(body: Letter["body"], signal?: AbortSignal): Promise<{ offset: number }> {
    if (this.#waiting >= this.#size) return Promise.reject(new HubError("too_many", `${this.#size} events wait already`));
    const letter = { body, tried: 0, away: false } as Letter;
    const line = this.#lines.get(body.room) ?? [];
    this.#lines.set(body.room, line);
    line.push(letter);
    this.#waiting++;
    letter.end = new Deferred(signal, () => {
      line.splice(line.indexOf(letter), 1);
      this.#waiting--;
      // Not before who waits for this one has been told.
      if (line.length) queueMicrotask(() => this.#send(line));
      else this.#lines.delete(body.room);
    });
    this.#send(line);
    return letter.end.promise;
  }

  opened(link: Link): void {
    this.#link = link;
    for (const line of [...this.#lines.values()]) this.#send(line);
  }

  ended(): void {
    this.#link = undefined;
  }

  /** Gives all up. */
  fail(error: HubError): void {
    for (const line of [...this.#lines.values()]) for (const letter of [...line]) letter.end.reject(error);
  }

  #send(line: Letter[]): void {
    const letter = line[0];
    if (!letter || letter.away || !this.#link) return;
    const { tried } = letter;
    if (tried && Date.now() - tried > keyMs) {
      letter.end.reject(new HubError("timeout", "no answer came while it could be sent again; it may be stored"));
      return;
    }
    letter.tried ||= Date.now();
    letter.away = true;
    this.#link.ask("publish", letter.body, (data, error) => {
      letter.away = false;
      if (!error) return letter.end.resolve(data);
      if (error.code === "disconnected") return; // the next connection sends it again
      if (!passing.has(error.code)) return letter.end.reject(error);
      if (notDone.has(error.code)) letter.tried = tried;
      const wait = error.retryAfterMs ?? againMs * (0.5 + Math.random());
      letter.away = true; // nothing passes it by
      setTimeout(() => {
        letter.away = false;
        this.#send(line);
      }, wait);
    });
  }
}
