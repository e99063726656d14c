/** A promise with its ends in hand, that an `AbortSignal` may reject. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;

  /** `settled` is called once, whatever the end. */
  constructor(signal?: AbortSignal, settled?: () => void) {
    this.promise = new Promise((resolve, reject) => {
      const abort = () => this.reject(signal!.reason);
      const end = <V>(settle: (value: V) => void) => (value: V) => {
        signal?.removeEventListener("abort", abort);
        settle(value);
        settled?.();
        settled = undefined;
      };
      this.resolve = end(resolve);
      this.reject = end(reject);
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
    });
  }
}

/** Lets nobody be told of a rejection that no caller waits for. */
export function quietly<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** How long to wait for what passes, in milliseconds: not all clients come again at once. */
export function later(): number {
  return 1000 + 2000 * Math.random();
}
