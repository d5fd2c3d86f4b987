import type { FastifyReply } from "fastify";
import type { HtmlPage } from "./page.ts";

/** A page that people meet on their way, in the look of the dashboard or without it. */
export interface PersonPage {
  /** Where no dashboard is built, or none is served. */
  readonly simple: HtmlPage;
  readonly status?: number;
  /** What the address alone does not say; the dashboard's page finds it in its document. */
  readonly outcome?: "no_such_port" | "address_refused";
}

/** Who answers with pages for people. */
export interface PersonPages {
  send(reply: FastifyReply, page: PersonPage): Promise<FastifyReply>;
}
