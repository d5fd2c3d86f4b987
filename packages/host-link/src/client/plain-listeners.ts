import { ListeningPorts } from "@wrenn/protocol";
import { damaged } from "../wire/link-error.ts";
import { plainText } from "../wire/text-from-host.ts";
import { checked } from "./link-client.ts";

const NAME_LIMIT = 64;

/**
 * What listens in a capsule as a host says it, with texts that can be stored and shown.
 *
 * @param id - the capsule that it has to be of, where one was asked about.
 * @throws WrennError `operation_failed` for something else, and for what listens in another capsule.
 */
export function plainListeners(value: unknown, id?: string): ListeningPorts {
  const listeners = checked(ListeningPorts, value);
  if (id !== undefined && listeners.id !== id) throw damaged("an answer about another capsule");
  return {
    id: listeners.id,
    unlisted: listeners.unlisted,
    at: listeners.at,
    ports: listeners.ports.map(({ protocol, port, uid, pid, ...texts }) => ({
      protocol,
      port,
      uid,
      address: plainText(texts.address, NAME_LIMIT),
      ...(pid === undefined ? {} : { pid }),
      ...(texts.process === undefined ? {} : { process: plainText(texts.process, NAME_LIMIT) }),
    })),
  };
}
