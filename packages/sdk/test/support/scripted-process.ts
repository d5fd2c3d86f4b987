import { EventEmitter } from "node:events";

type Stream = "stdout" | "stderr";

/** What a scripted process does when it starts. */
export type Program = (process: ScriptedProcess) => void | Promise<void>;

/** A process of {@link ScriptedCapsule}, which prints and ends as its program says. */
export class ScriptedProcess {
  readonly pid: number;
  readonly tag: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly output: Record<Stream, Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  /** Where what is kept of a stream begins. */
  readonly kept: Record<Stream, number> = { stdout: 0, stderr: 0 };
  readonly signals: string[] = [];
  readonly changed = new EventEmitter();
  input = Buffer.alloc(0);
  isInputClosed = false;
  /** How many bytes of input it takes before it stops reading. */
  inputRoom = Number.POSITIVE_INFINITY;
  exit: { readonly exit_code: number; readonly signal?: number; readonly timed_out?: boolean } | undefined;
  onSignal: (name: string) => void = (name) => {
    this.end({ exit_code: name === "SIGKILL" ? 137 : 143, signal: name === "SIGKILL" ? 9 : 15 });
  };

  constructor(pid: number, tag: string, body: Readonly<Record<string, unknown>>) {
    this.pid = pid;
    this.tag = tag;
    this.body = body;
    this.changed.setMaxListeners(0);
  }

  print(data: string | Uint8Array, stream: Stream = "stdout"): void {
    this.output[stream] = Buffer.concat([this.output[stream], Buffer.from(data as string)]);
    this.changed.emit("change");
  }

  /** Drops the bytes before `offset`. */
  forget(offset: number, stream: Stream = "stdout"): void {
    this.kept[stream] = offset;
  }

  end(exit: NonNullable<ScriptedProcess["exit"]> = { exit_code: 0 }): void {
    this.exit ??= exit;
    this.changed.emit("change");
  }

  /** Takes input as the server does. @returns the status and the body of the answer. */
  take(body: {
    readonly data?: string;
    readonly offset?: number;
    readonly close?: boolean;
  }): readonly [number, object?] {
    const bytes = Buffer.from(body.data ?? "", "base64");
    if (bytes.length > 0) {
      if (this.exit || this.isInputClosed) return [409, { code: "conflict", reason: "stdin_closed" }];
      const skipped = this.input.length - (body.offset ?? this.input.length);
      if (skipped < 0) return [409, { code: "conflict", reason: "input_offset_differs" }];
      const accepted = Math.min(bytes.length, skipped + this.inputRoom);
      this.inputRoom -= Math.max(0, accepted - skipped);
      this.input = Buffer.concat([this.input, bytes.subarray(skipped, accepted)]);
      if (accepted < bytes.length) return [409, { code: "conflict", reason: "input_not_read", accepted }];
    }
    this.isInputClosed ||= body.close === true;
    this.changed.emit("change");
    return [204];
  }
}
