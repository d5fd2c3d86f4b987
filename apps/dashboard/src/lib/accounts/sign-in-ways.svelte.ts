import type { Wrenn } from "@wrenn/sdk";

export interface Provider {
  readonly name: string;
  readonly title: string;
}

interface Info {
  readonly sign_in: {
    readonly sign_up: "open" | "invite" | "closed";
    readonly providers: readonly Provider[];
  };
}

/** How people get in here, as the server says. */
export class SignInWays {
  signUp = $state<"open" | "invite" | "closed">();
  providers = $state.raw<readonly Provider[]>([]);
  readonly #server: Wrenn;

  /** @param server - a connection without credentials. */
  constructor(server: Wrenn) {
    this.#server = server;
  }

  /** Without an answer only the password is offered; a log-in says what is wrong. */
  async load(): Promise<void> {
    const info = await this.#server.request<Info>("GET", "/v1/info").catch(() => undefined);
    this.signUp = info?.sign_in.sign_up;
    this.providers = info?.sign_in.providers ?? [];
  }
}
