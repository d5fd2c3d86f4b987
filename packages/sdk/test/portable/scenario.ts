import type * as Sdk from "@wrenn/sdk";

/** What a scenario runs with: the SDK of the runtime's own import, and a server. */
export interface PortableContext {
  readonly sdk: typeof Sdk;
  readonly connection: { readonly url: string; readonly apiKey: string };
  /** A running capsule, which runs of the suite use one after the other. */
  readonly capsuleId: string;
  /** Path that no other run uses: of nothing yet. */
  readonly path: string;
}

/** Something that the SDK does alike in every runtime. Its file imports nothing but types of the SDK and {@link ./check.ts}. */
export interface Scenario {
  readonly name: string;
  /** Throws where the SDK does not do it. */
  readonly run: (context: PortableContext) => Promise<void>;
}
