import type { OutputOffsets, OutputStream, ProcessExit, ProcessFacts } from "@wrenn/protocol";
import type { LastingAnswer } from "../http/lasting-answer.ts";
import type { OutputSink } from "./forward-output.ts";
import { frameKind, jsonFrame, outputFrame } from "./output-frames.ts";
import { exitJson } from "../http/exit-json.ts";

/** Sends output as frames (docs/reference/rest-api.md#output-streams), with heartbeats while there is none. */
export class FramedOutput implements OutputSink, Disposable {
  readonly #answer: Pick<LastingAnswer, "write" | "isWaiting">;
  readonly #onUnsent: (error: unknown) => void;
  readonly #heartbeat: NodeJS.Timeout;
  #isOver = false;

  /** @param onUnsent - called with the error of a heartbeat or a status that could not be sent. */
  constructor(
    answer: Pick<LastingAnswer, "write" | "isWaiting">,
    heartbeatMs: number,
    onUnsent: (error: unknown) => void,
  ) {
    this.#answer = answer;
    this.#onUnsent = onUnsent;
    this.#heartbeat = setInterval(() => {
      // A client that has frames to take is not waiting for a sign of life.
      if (!answer.isWaiting) this.#sendAside(outputFrame(frameKind.heartbeat));
    }, heartbeatMs);
    this.#heartbeat.unref();
  }

  /** The first frame, and a heartbeat: proxies pass on what is in their buffers. */
  async started({ pid, tag }: ProcessFacts, offset: OutputOffsets): Promise<void> {
    await this.#send(
      Buffer.concat([
        jsonFrame(frameKind.started, { pid, tag: tag ?? String(pid), offset }),
        outputFrame(frameKind.heartbeat),
      ]),
    );
  }

  async data(stream: OutputStream, _offset: number, bytes: Uint8Array): Promise<void> {
    await this.#send(outputFrame(frameKind[stream], bytes));
  }

  async dropped(stream: OutputStream, from: number, to: number): Promise<void> {
    await this.#send(jsonFrame(frameKind.dropped, { stream, offset: from, next: to }));
  }

  async exit(exit: ProcessExit): Promise<void> {
    await this.#sendLast(jsonFrame(frameKind.exit, exitJson(exit)));
  }

  /** The output ends without an exit. @param body - the error as answers have it. */
  async error(body: object): Promise<void> {
    await this.#sendLast(jsonFrame(frameKind.error, body));
  }

  /** The capsule has another status. */
  status(status: string): void {
    this.#sendAside(jsonFrame(frameKind.status, { status }));
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearInterval(this.#heartbeat);
  }

  async #sendLast(frame: Buffer): Promise<void> {
    this[Symbol.dispose]();
    await this.#answer.write(frame);
  }

  async #send(frame: Buffer): Promise<void> {
    await this.#answer.write(frame);
    this.#heartbeat.refresh();
  }

  /** Between the frames of the output, which do not wait for it. */
  #sendAside(frame: Buffer): void {
    if (!this.#isOver) this.#send(frame).catch(this.#onUnsent);
  }
}
