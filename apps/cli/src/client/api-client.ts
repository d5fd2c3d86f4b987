import { defined } from "@wrenn/core";
import type { Endpoint } from "./local-server.ts";

/** What the API says when it refuses. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly remedy: string | undefined;

  constructor(status: number, body: unknown) {
    const error = (body as { error?: { message?: string; remedy?: string; request_id?: string } } | undefined)
      ?.error;
    const request = error?.request_id === undefined ? "" : ` (request ${error.request_id})`;
    super(`${error?.message ?? `the server answered ${status}`}${request}`);
    this.status = status;
    this.remedy = error?.remedy;
  }
}

/** JSON over HTTP with the endpoint's key. A field that the server does not know is an error, not a setting without effect. */
export class ApiClient {
  readonly endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  /** What every request carries, WebSockets included. */
  get headers(): Readonly<Record<string, string>> {
    return { "x-api-key": this.endpoint.apiKey, prefer: "handling=strict" };
  }

  /** @throws ApiError when the status is not 2xx. */
  async request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const response = await fetch(new URL(path, this.endpoint.url), {
      method,
      headers: {
        ...this.headers,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...defined({ signal }),
    });
    const text = await response.text();
    const answer: unknown = text === "" ? undefined : JSON.parse(text);
    if (!response.ok) throw new ApiError(response.status, answer);
    return answer as T;
  }

  /** The address of a WebSocket route. */
  socketUrl(path: string): string {
    const url = new URL(path, this.endpoint.url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url.href;
  }
}
