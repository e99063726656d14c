/**
 * What an error says to a program: the protocol's codes, `disconnected` (the
 * connection ended before the answer came: it may have been done), `closed`
 * (this hub or room was closed), or a code of your backend's own.
 */
export type ErrorCode =
  | "unauthorized"
  | "token_expired"
  | "forbidden"
  | "invalid"
  | "no_handler"
  | "rate_limited"
  | "too_large"
  | "too_many"
  | "timeout"
  | "unavailable"
  | "internal"
  | "disconnected"
  | "closed"
  | (string & {});

/** Every error this package rejects with, but an `AbortSignal`'s own reason. */
export class HubError extends Error {
  override readonly name = "HubError";

  constructor(
    /** For programs. */
    readonly code: ErrorCode,
    /** For people who read logs; texts change. */
    message: string,
    /** How long to wait before trying again, in milliseconds, where that was told. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

/** What can pass by waiting. */
export const passing: ReadonlySet<string> = new Set(["unavailable", "rate_limited", "timeout", "internal"]);
