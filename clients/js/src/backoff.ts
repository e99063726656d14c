/** How long to wait before coming back, in milliseconds. */
export interface BackoffOptions {
  /** The most before the first try; 1,000 if not given. It doubles at each failure, */
  first?: number;
  /** up to this; 30,000 if not given. */
  most?: number;
  /** How long a connection must have lived for the waits to begin anew; 10,000 if not given. */
  stable?: number;
}

/**
 * Full jitter: a random time up to a bound that doubles. Ten thousand clients
 * that lose their gateway at the same moment spread over all of it.
 * A connection that ends at once again does not begin anew, or a gateway that
 * fails behind its handshake would be stormed.
 */
export class Backoff {
  #tries = 0;
  readonly #first: number;
  readonly #most: number;
  readonly #stable: number;

  constructor({ first = 1000, most = 30_000, stable = 10_000 }: BackoffOptions = {}) {
    this.#first = first;
    this.#most = most;
    this.#stable = stable;
  }

  /** Failures since the last connection that lasted. */
  get tries(): number {
    return this.#tries;
  }

  /** A connection has lived so many milliseconds. */
  lived(ms: number): void {
    if (ms >= this.#stable) this.#tries = 0;
  }

  /** The next wait, for a `random` of 0 to 1. */
  next(random: number): number {
    return random * Math.min(this.#most, this.#first * 2 ** this.#tries++);
  }
}
