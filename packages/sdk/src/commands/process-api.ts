import { isWrennError } from "../errors/wrenn-error.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient, HttpRequest } from "../transport/http.ts";
import type { ExecAnswer, ExecBody, ListedProcess, ProcessAnswer, ProcessLogsAnswer } from "./wire.ts";

/** How far a signal reaches: the process group, or everything that the process started. */
export type SignalScope = "group" | "tree";

/** A process by its id, or by its tag. */
export type ProcessSelector = number | string;

/** The routes of commands and processes of one capsule. */
export class ProcessApi {
  readonly http: HttpClient;
  readonly #base: string;

  constructor(http: HttpClient, capsuleId: string) {
    this.http = http;
    this.#base = `/v1/capsules/${segment(capsuleId)}`;
  }

  /** Path of a process, or of one of its routes. */
  path(selector: ProcessSelector, route = ""): string {
    return `${this.#base}/processes/${segment(String(selector))}${route}`;
  }

  /** The path of {@link exec}. */
  get execPath(): string {
    return `${this.#base}/exec`;
  }

  /** Starts a command. Sent once: see {@link startCommand}. */
  async exec(body: ExecBody, request: HttpRequest): Promise<ExecAnswer> {
    return await this.http.json("POST", this.execPath, { ...request, json: body });
  }

  async list(signal?: AbortSignal): Promise<readonly ListedProcess[]> {
    const path = `${this.#base}/processes`;
    const { processes } = await this.http.json<{ readonly processes: readonly ListedProcess[] }>(
      "GET",
      path,
      { signal },
    );
    return processes;
  }

  /** @throws WrennError `process_not_found`. */
  async get(selector: ProcessSelector, request: HttpRequest = {}): Promise<ProcessAnswer> {
    return await this.http.json("GET", this.path(selector), request);
  }

  async logs(
    selector: ProcessSelector,
    query: { readonly from?: number | undefined; readonly from_stderr?: number | undefined },
    signal?: AbortSignal,
  ): Promise<ProcessLogsAnswer> {
    return await this.http.json("GET", this.path(selector, "/logs"), { query, signal });
  }

  /** Sends a signal. Repeated when no answer arrives: it may arrive twice. @returns false for a process that is not known. */
  async signal(
    selector: ProcessSelector,
    name: string,
    scope: SignalScope,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const json = { signal: name, scope };
    const request = { json, signal, isSafeToRepeat: true };
    return await unlessUnknown(this.http.json("POST", this.path(selector, "/signal"), request));
  }

  /** Ends a process and everything it started by SIGKILL. @returns false for a process that is not known. */
  async kill(selector: ProcessSelector, signal?: AbortSignal): Promise<boolean> {
    return await unlessUnknown(this.http.json("DELETE", this.path(selector), { signal }));
  }
}

async function unlessUnknown(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (isWrennError(error, "process_not_found")) return false;
    throw error;
  }
}
