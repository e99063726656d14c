import { type HubError, passing } from "./errors.js";
import type { PresenceChange, Status } from "./events.js";
import type { Link } from "./link.js";
import { Deferred, quietly } from "./wait.js";

/** What is said beside a status. */
export interface StatusOptions {
  /** At most 256 bytes. */
  text?: string;
  /** An object of at most 1 KiB. */
  data?: object;
  /** Wait no longer. The status is set nonetheless. */
  signal?: AbortSignal;
}

/**
 * The status that this client has given its user. The server keeps it with the
 * connection, so each new connection says it again, unless another of the
 * user's has set another one since.
 */
export class OwnStatus {
  #said: { status: Status; text?: string; data?: object } | undefined;
  #end: Deferred<void> | undefined; // of those who wait for it to be answered
  #link: Link | undefined;

  set(said: { status: Status; text?: string; data?: object }, signal?: AbortSignal): Promise<void> {
    this.#said = said;
    const before = this.#end;
    const end = (this.#end = new Deferred<void>());
    void quietly(end.promise);
    before?.resolve(end.promise as never); // who waits for it has this one instead
    this.#say();
    const own = new Deferred<void>(signal);
    end.promise.then(own.resolve, own.reject);
    return quietly(own.promise);
  }

  opened(link: Link): void {
    this.#link = link;
    this.#say();
  }

  ended(): void {
    this.#link = undefined;
  }

  fail(error: HubError): void {
    this.#end?.reject(error);
    this.#end = undefined;
  }

  /**
   * Takes what this user is told to be like. What comes while we wait for an
   * answer may be an earlier one of ours.
   */
  told({ change, status, text }: PresenceChange): void {
    if (!this.#said || this.#end) return;
    const now = change === "leave" ? "invisible" : status;
    if (now !== this.#said.status || (change !== "leave" && (text ?? "") !== (this.#said.text ?? ""))) this.#said = undefined;
  }

  #say(): void {
    const end = this.#end;
    if (!this.#said) return;
    this.#link?.ask("status:change", this.#said, (_, error) => {
      if (end !== this.#end || error?.code === "disconnected") return; // it is said anew
      this.#end = undefined;
      if (!error) return end?.resolve();
      if (!passing.has(error.code)) this.#said = undefined;
      end?.reject(error);
    });
  }
}
