import type { CapsuleFiles } from "@wrenn/protocol";
import type { FastifyReply, FastifyRequest } from "fastify";
import { describeAnswer, openFile } from "./describe-content.ts";
import { abortWhenGone, download } from "./transfer.ts";

/**
 * Answers GET or HEAD with a file. Length, entity tag, time, conditions, range and bytes are all of the same open file, so that an
 * answer never mixes two versions of it.
 *
 * @throws WrennError `range_not_satisfiable`, `precondition_failed`, and what the capsule's files throw.
 */
export async function sendContent(
  files: CapsuleFiles,
  path: string,
  options: { readonly user?: string },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const file = await openFile(files, path, { ...options, signal: abortWhenGone(reply) }, request);
  try {
    const answer = describeAnswer(file, request.headers);
    if (answer.refusal) {
      void reply.headers(answer.headers);
      throw answer.refusal;
    }
    if (request.method === "GET" && answer.status !== 304) {
      const bytes = await download(file.content, answer.length);
      return await reply.status(answer.status).headers(answer.headers).send(bytes);
    }
    file.release();
    return await reply.status(answer.status).headers(answer.headers).send();
  } catch (error) {
    file.release();
    throw error;
  }
}
