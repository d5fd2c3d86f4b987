import type { Upstream } from "../host-rules.ts";
import type { NamedAddress } from "../policy-rules.ts";
import type { NetworkPolicy } from "../policy.ts";
import type { NetworkDecision } from "@wrenn/protocol";

/** What the gateway process is told. `ref` comes back in the answer. */
export type ToGateway =
  | {
      readonly type: "start";
      readonly block: number;
      readonly address: string;
      readonly uid: number;
      readonly upstreams: readonly Upstream[];
      readonly reachable: readonly string[];
      readonly searchDomains: readonly string[];
      readonly questionsPerSecond: number;
      readonly dialsPerSecond: number;
    }
  | {
      readonly type: "policy";
      readonly ref: number;
      readonly slot: number;
      readonly epoch: number;
      readonly policy: NetworkPolicy;
    }
  | { readonly type: "forget"; readonly slot: number }
  | { readonly type: "decisions"; readonly ref: number; readonly slot: number }
  | { readonly type: "bound"; readonly ref: number; readonly problem?: string }
  | { readonly type: "capsule"; readonly ref: number; readonly capsule?: string };

/** What it says. It reads what guests send, so its messages are checked before they are obeyed. */
export type FromGateway =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly problem: string }
  | { readonly type: "done"; readonly ref: number }
  | { readonly type: "decisions"; readonly ref: number; readonly decisions: readonly NetworkDecision[] }
  | { readonly type: "whose"; readonly ref: number; readonly slot: number }
  | {
      readonly type: "bind";
      readonly ref: number;
      readonly slot: number;
      readonly epoch: number;
      readonly addresses: readonly NamedAddress[];
    };
