import { abortable } from "./deadline.ts";

interface Running<T> {
  readonly done: Promise<T>;
  readonly controller: AbortController;
  callers: number;
}

/** Work that is done once for all callers that ask for the same at the same time. It is aborted when the last of them leaves. */
export class SharedWork<T> {
  readonly #running = new Map<string, Running<T>>();

  /**
   * The result of the work of a key: of the one under way, or else of `work`.
   *
   * @param signal - of this caller. The last caller that leaves waits until the aborted work has ended.
   */
  async join(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const running = this.#running.get(key) ?? this.#start(key, work);
    running.callers += 1;
    try {
      return await abortable(signal, running.done);
    } catch (error) {
      if (signal.aborted && running.callers === 1) {
        // Who asks from now on begins anew.
        this.#forget(key, running);
        running.controller.abort(signal.reason);
        await running.done.catch(() => undefined);
      }
      throw error;
    } finally {
      running.callers -= 1;
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Running<T> {
    const controller = new AbortController();
    const running: Running<T> = { done: work(controller.signal), controller, callers: 0 };
    this.#running.set(key, running);
    const forget = (): void => this.#forget(key, running);
    void running.done.then(forget, forget);
    return running;
  }

  #forget(key: string, running: Running<T>): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
