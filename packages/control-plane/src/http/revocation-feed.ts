import { formatId } from "@wrenn/core";
import type { Database, Listening } from "@wrenn/database";
import type { Revocation } from "./access-grants.ts";

const TOPIC = "wrenn_revocations";
const PAYLOAD = /^([a-z]+) ([0-9a-f-]{36})$/;
const kinds: ReadonlySet<string> = new Set<Revocation["kind"]>([
  "key",
  "session",
  "user",
  "team",
  "link",
  "ports",
]);

/** Called for each revocation, and with undefined when some may have been missed. */
type OnRevocation = (revocation: Revocation | undefined) => void;

/** Hears of revocations by every control plane on the database: triggers notify of them at the commit (migration 19). */
export class RevocationFeed {
  readonly #listening: Listening;

  constructor(database: Database, onRevocation: OnRevocation) {
    this.#listening = database.listen(TOPIC, (payload) => onRevocation(parse(payload)));
  }

  async close(): Promise<void> {
    await this.#listening.close();
  }
}

/** A payload that is not known comes from a newer version, and may mean anything. */
function parse(payload: string | undefined): Revocation | undefined {
  const [, kind = "", id = ""] = PAYLOAD.exec(payload ?? "") ?? [];
  if (!isKind(kind)) return undefined;
  return { kind, id: kind === "ports" ? formatId("capsule", id) : id };
}

function isKind(text: string): text is Revocation["kind"] {
  return kinds.has(text);
}
