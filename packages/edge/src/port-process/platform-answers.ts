import type { Clock, Logger } from "@wrenn/core";
import type { CredentialAttempts } from "../access/credential-attempts.ts";
import type { CredentialChecks, PortGrant } from "../access/port-grant.ts";
import type { ClientConnections } from "../listener/client-connections.ts";
import type { CapsuleRoutes } from "../routing/capsule-route.ts";
import { errorToWire, routeToWire } from "./messages.ts";
import type { Of, ToProcess, ToServer } from "./messages.ts";
import { isRecord } from "./message-shapes.ts";

export interface PlatformAnswersDeps {
  readonly platform: CapsuleRoutes & CredentialChecks;
  readonly attempts?: CredentialAttempts;
  /** Connections of all listeners of the server. */
  readonly connections: ClientConnections;
  readonly onActivity?: (capsuleId: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Granted {
  readonly grant: PortGrant;
  readonly unwatch: () => void;
}

const LEVELS = ["debug", "info", "warn", "error"] as const;

/** Answers the port process out of the platform, and watches the access that the platform grants for it. */
export class PlatformAnswers {
  readonly #deps: PlatformAnswersDeps;
  readonly #tell: (message: ToProcess) => void;
  /** By number; those of public ports are below zero, as the process numbers them. */
  readonly #granted = new Map<number, Granted>();
  #next = 1;

  constructor(deps: PlatformAnswersDeps, tell: (message: ToProcess) => void) {
    this.#deps = deps;
    this.#tell = tell;
  }

  async find({ capsule }: Of<ToServer, "find">, signal: AbortSignal): Promise<unknown> {
    const route = await this.#deps.platform.find(capsule, signal);
    return route && routeToWire(route);
  }

  async answer(
    message: Of<ToServer, "resume" | "check" | "attempt" | "attempt_failed">,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { platform, attempts } = this.#deps;
    switch (message.type) {
      case "resume":
        return await platform.resume(message.capsule, signal);
      case "check": {
        const grant = await this.#check(message, signal);
        return grant && this.#watch(this.#next++, grant);
      }
      case "attempt":
        return await attempts?.require(message.address, headersOf(message.headers));
      case "attempt_failed":
        return await attempts?.failed(message.address);
    }
  }

  holdPublic({ grant, capsule, port }: Of<ToServer, "public">): void {
    if (grant < 0) this.#watch(grant, this.#deps.platform.publicPort({ capsuleId: capsule, port }));
  }

  grant(number: number): PortGrant | undefined {
    return this.#granted.get(number)?.grant;
  }

  release(number: number): void {
    this.#granted.get(number)?.unwatch();
    this.#granted.delete(number);
  }

  log({ level, event, fields }: Of<ToServer, "log">): void {
    const known = LEVELS.find((each) => each === level) ?? "warn";
    this.#deps.logger[known](event, isRecord(fields) ? fields : {});
  }

  close(): void {
    for (const number of this.#granted.keys()) this.release(number);
  }

  #watch(number: number, grant: PortGrant): number {
    this.release(number);
    const unwatch = grant.hold((reason) => {
      this.release(number);
      this.#tell({ type: "ended", grant: number, error: errorToWire(reason) });
    });
    this.#granted.set(number, { grant, unwatch });
    return number;
  }

  async #check(
    { kind, credential, capsule, port }: Of<ToServer, "check">,
    signal: AbortSignal,
  ): Promise<PortGrant | undefined> {
    const { platform } = this.#deps;
    switch (kind) {
      case "api_key":
        return await platform.apiKey(credential, capsule, signal);
      case "bearer":
        return await platform.bearer(credential, capsule, signal);
      case "session":
        return await platform.session(credential, capsule, signal);
      case "link":
        return await platform.link(credential, { capsuleId: capsule, port }, signal);
      default:
        throw new Error(`there are no credentials of the kind ${kind}`);
    }
  }
}

function headersOf(value: unknown): Readonly<Record<string, string>> {
  const fields = isRecord(value) ? Object.entries(value) : [];
  return Object.fromEntries(
    fields.filter((field): field is [string, string] => typeof field[1] === "string"),
  );
}
