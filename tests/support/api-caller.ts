import type { TestContext } from "node:test";

/** What tests say to the public API. */
export class ApiCaller {
  readonly url: string;
  readonly apiKey: string;

  constructor(url: string, apiKey: string) {
    this.url = url;
    this.apiKey = apiKey;
  }

  /** Sends a request with the server's key; `body` goes as JSON unless it is a string, which goes as it is. */
  async call<T = unknown>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const response = await fetch(new URL(path, this.url), {
      method,
      headers: {
        "x-api-key": this.apiKey,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: (text === "" ? undefined : JSON.parse(text)) as T,
      headers: response.headers,
    };
  }

  /** Creates a capsule that is destroyed when the test ends; without a test it lives as long as the server. */
  async capsule(
    t: Pick<TestContext, "after"> | undefined,
    request: Record<string, unknown> = {},
  ): Promise<string> {
    const { status, body } = await this.call<{ id: string; status: string }>("POST", "/v1/capsules", request);
    if (status !== 201) throw new Error(`create answered ${status}: ${JSON.stringify(body)}`);
    t?.after(() => this.call("DELETE", `/v1/capsules/${body.id}`));
    return body.id;
  }

  async exec(
    id: string,
    cmd: string,
    args: readonly string[] = [],
    more: Record<string, unknown> = {},
  ): Promise<Answer<ExecBody>> {
    return await this.call<ExecBody>("POST", `/v1/capsules/${id}/exec`, { cmd, args, ...more });
  }

  /** Runs a shell line in the capsule; the answer must be 200. */
  async shell(id: string, line: string, more: Record<string, unknown> = {}): Promise<ExecBody> {
    const { status, body } = await this.exec(id, "sh", ["-c", line], more);
    if (status !== 200) throw new Error(`exec answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }
}

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
}

export interface ExecBody {
  readonly sandbox_id: string;
  readonly cmd: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly exit_code: number;
  readonly duration_ms: number;
  readonly encoding: "utf-8" | "base64";
  readonly timed_out?: boolean;
}
