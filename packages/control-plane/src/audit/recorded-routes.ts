import type { AuditRow } from "@wrenn/database";

/** What the audit log says about a request that changed something. */
export interface RecordedRoute {
  readonly resource: string;
  readonly action: string;
  readonly scope?: AuditRow["scope"];
  /** Happens often: written behind the answer, and counted when it is repeated. */
  readonly isRoutine?: true;
  /** Parameters of the path, fields of the body, and parameters of the query that the entry shows. Never contents or arguments. */
  readonly details?: readonly string[];
}

const routine = (action: string, ...details: string[]): RecordedRoute => ({
  resource: "sandbox",
  action,
  isRoutine: true,
  details,
});
const once = (resource: string, action: string, ...details: string[]): RecordedRoute => ({
  resource,
  action,
  details,
});

/** Work with processes and files, below the path of a capsule. */
const inCapsules: Readonly<Record<string, RecordedRoute>> = {
  "POST /exec": routine("exec", "cmd"),
  "DELETE /processes/:selector": routine("process_kill", "selector"),
  "POST /processes/:selector/signal": routine("process_signal", "selector", "signal"),
  "POST /processes/:selector/input": routine("process_input", "selector"),
  "POST /files/write": routine("file_write"),
  "POST /files/stream/write": routine("file_stream_write"),
  "POST /files/mkdir": routine("file_mkdir", "path"),
  "POST /files/remove": routine("file_remove", "path"),
  "POST /files/move": routine("file_move", "source", "destination"),
  "POST /files/copy": routine("file_copy", "source", "destination"),
  "POST /files/chmod": routine("file_chmod", "path", "mode"),
};

/**
 * Routes whose requests the audit log records here, by what they have in common. Features record the others themselves, in the
 * transaction of the change.
 */
export const recordedRoutes: Readonly<Record<string, RecordedRoute>> = {
  ...Object.fromEntries(
    ["/v1/capsules/:id", "/v1/admin/capsules/:id"].flatMap((base) =>
      Object.entries(inCapsules).map(([route, entry]) => [route.replace(" ", ` ${base}`), entry]),
    ),
  ),
  "PUT /v1/capsules/:id/files/content": routine("file_put", "path"),
  "POST /v1/capsules/:id/files/uploads": routine("file_upload", "path"),
  "DELETE /v1/capsules/:id/files/uploads/:upload": routine("file_upload_cancel", "upload"),
  "POST /v1/capsules/:id/checkpoints": once("sandbox", "checkpoint", "name"),
  "DELETE /v1/capsules/:id/checkpoints/:checkpoint": once("sandbox", "checkpoint_delete", "checkpoint"),
  "PUT /v1/capsules/:id/ports/:port": once("sandbox", "port_access", "port", "access"),
  "POST /v1/hosts/:id/token": { ...once("host", "token"), scope: "admin" },
  "POST /v1/hosts/:id/drain": { ...once("host", "drain", "enabled"), scope: "admin" },
  "POST /v1/hosts/:id/tags": { ...once("host", "tag", "tag"), scope: "admin" },
  "DELETE /v1/hosts/:id/tags/:tag": { ...once("host", "untag", "tag"), scope: "admin" },
  "POST /v1/teams": once("team", "create", "name"),
  "DELETE /v1/teams/:id/invitations/:invitation": { ...once("member", "withdraw"), scope: "admin" },
  "POST /v1/invitations/:id/decline": { ...once("member", "decline"), scope: "admin" },
  "PATCH /v1/me": { ...once("user", "rename"), scope: "admin" },
  "POST /v1/me/password": { ...once("user", "password_change"), scope: "admin" },
};
