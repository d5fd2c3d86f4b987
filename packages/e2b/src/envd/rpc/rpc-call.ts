import { createContextKey } from "@connectrpc/connect";
import type { HandlerContext } from "@connectrpc/connect";
import { WrennError } from "@wrenn/core";
import type { EnvdSandbox } from "../envd-sandbox.ts";

/** What a call is made on. */
export interface RpcCall {
  readonly sandbox: EnvdSandbox;
  /** Whose rights hold: the one whom the request names, or the sandbox's default user. */
  readonly user: string;
  /** Called when the sandbox turns out to be gone: the answer is then no RPC error. */
  readonly onGone: (error: unknown) => void;
}

const missing: RpcCall = {
  get sandbox(): never {
    throw new WrennError("operation_failed", { operation: "a call", problem: "it has no sandbox" });
  },
  user: "",
  onGone: () => undefined,
};

export const rpcCallKey = createContextKey<RpcCall>(missing);

/** The call that a handler answers. */
export function callOf(context: HandlerContext): RpcCall {
  return context.values.get(rpcCallKey);
}
