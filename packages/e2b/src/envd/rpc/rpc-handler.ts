import type { IncomingMessage, ServerResponse } from "node:http";
import { createConnectRouter, createContextValues } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { Filesystem } from "../generated/filesystem_pb.ts";
import { Process } from "../generated/process_pb.ts";
import { filesystemService } from "../filesystem/filesystem-service.ts";
import type { Watchers } from "../filesystem/watchers.ts";
import { breakOff } from "../http/exchange.ts";
import { processService } from "../processes/process-service.ts";
import { rpcCallKey } from "./rpc-call.ts";
import type { RpcCall } from "./rpc-call.ts";
import { translateErrors } from "./rpc-errors.ts";

/** Of one message: input is sent whole, also as base64. */
const MESSAGE_BYTES = 16 << 20;
const TIMEOUT_HEADER = "connect-timeout-ms";
/** What a timer of this runtime can wait; no sandbox runs longer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export interface RpcHandlerDeps {
  readonly watchers: Watchers;
}

export interface RpcHandler {
  /** Whether the path is one of a method. */
  has(path: string): boolean;
  /**
   * Answers a call.
   *
   * @returns `gone` when the sandbox was gone before anything was answered: the response is then the caller's.
   */
  answer(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    call: Pick<RpcCall, "sandbox" | "user">,
  ): Promise<"answered" | "gone">;
}

/** The services of a sandbox's agent by the Connect protocol, in its JSON and its binary codec. */
export function createRpcHandler({ watchers }: RpcHandlerDeps): RpcHandler {
  const router = createConnectRouter({
    grpc: false,
    grpcWeb: false,
    acceptCompression: [],
    readMaxBytes: MESSAGE_BYTES,
    interceptors: [translateErrors],
  });
  router.service(Process, processService);
  router.service(Filesystem, filesystemService(watchers));
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return {
    has: (path) => handlers.has(path),
    answer: async (path, request, response, call) => {
      const handler = handlers.get(path);
      if (!handler) return "answered";
      let isGone = false;
      const onGone = (): void => {
        isGone = true;
        // Clients take a stream that ends in order for one that has ended: it has to break.
        if (response.headersSent) breakOff(response);
      };
      const values = createContextValues().set(rpcCallKey, { ...call, onGone });
      const asked = universalRequestFromNodeRequest(request, response, undefined, values);
      dropEndlessTimeout(asked.header);
      const answer = await handler(asked);
      if (isGone) return "gone";
      await universalResponseToNodeResponse(answer, response);
      return "answered";
    },
  };
}

/** 0 is no deadline, and so is one beyond every sandbox's life. What is no number is left for the library to refuse. */
function dropEndlessTimeout(headers: Headers): void {
  const given = headers.get(TIMEOUT_HEADER);
  if (given === null || !/^\d{1,20}$/.test(given)) return;
  const ms = Number(given);
  if (ms === 0 || ms > MAX_TIMEOUT_MS) headers.delete(TIMEOUT_HEADER);
}
