import { defined } from "@wrenn/core";
import { isPlace } from "@wrenn/database";
import { Type } from "typebox";
import type { App } from "../http/app.ts";
import { timestamp } from "../http/timestamp.ts";
import { requestedPage, linkNextPage, PageQuery } from "../http/paging.ts";
import { refusals } from "../http/schemas.ts";
import type { MailOutbox } from "./mail-outbox.ts";
import type { RecordAudit } from "../audit/audit.ts";

const Mail = Type.Object({
  id: Type.String(),
  to: Type.String(),
  kind: Type.String(),
  state: Type.String({ description: "waiting, delivered, failed, or kept while there is no mail server" }),
  attempts: Type.Integer(),
  problem: Type.Optional(Type.String({ description: "Of the last attempt" })),
  created_at: Type.String(),
  expires_at: Type.String(),
  subject: Type.Optional(Type.String({ description: "What is kept is there to be passed on" })),
  text: Type.Optional(Type.String()),
  link: Type.Optional(Type.String()),
});

export interface MailAdminDeps {
  readonly mailOutbox: MailOutbox;
  readonly record: RecordAudit;
}

/** Mails on their way, for administrators of the platform: without a mail server they pass links on. */
export function registerMailAdmin(app: App, { mailOutbox, record }: MailAdminDeps): void {
  app.get(
    "/v1/admin/mails",
    {
      schema: {
        summary: "Mails of the last days, newest first",
        description:
          "Links are shown only while there is no mail server, until they are used or over; reading them stands in the audit log.",
        tags: ["admin"],
        querystring: PageQuery,
        response: { 200: Type.Array(Mail), ...refusals },
      },
    },
    async (request, reply) => {
      const page = requestedPage("mails", request, isPlace);
      const rows = await mailOutbox.list(page && { ...page, limit: page.limit + 1 });
      const shown = page ? rows.slice(0, page.limit) : rows;
      const place = shown.at(-1)?.place;
      if (page && rows.length > page.limit && place !== undefined)
        linkNextPage(reply, request, "mails", place);
      const revealed = shown.filter(({ toForward }) => toForward).length;
      if (revealed > 0) {
        const metadata = { mails: String(revealed) };
        await record(request, { resource: "mail", action: "read", scope: "admin", metadata });
      }
      return shown.map((row) => ({
        id: row.id,
        to: row.recipient,
        kind: row.kind,
        state: row.state,
        attempts: row.attempts,
        ...defined({ problem: row.problem ?? undefined }),
        created_at: timestamp(row.created_at),
        expires_at: timestamp(row.expires_at),
        ...row.toForward,
      }));
    },
  );
}
