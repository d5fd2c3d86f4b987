import { WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import type { Database, TemplateRow } from "@wrenn/database";
import type { Fleet } from "../hosts/fleet.ts";
import { requireTemplateRoom } from "../teams/quotas.ts";
import type { TemplatesService } from "../templates/templates.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import { OPERATION_MS } from "./operations.ts";
import type { Operations } from "./operations.ts";

export interface CapsuleSnapshotsDeps {
  readonly database: Database;
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
  readonly operations: Operations;
  readonly templates: TemplatesService;
  readonly random: Random;
}

export interface SnapshotOptions {
  /** Of the template. */
  readonly name: string;
  /** Whether a template with this name is replaced. */
  readonly overwrite: boolean;
}

/** Makes templates from capsules (docs/reference/rest-api.md#templates). */
export class CapsuleSnapshots {
  readonly #deps: CapsuleSnapshotsDeps;

  constructor(deps: CapsuleSnapshotsDeps) {
    this.#deps = deps;
  }

  /**
   * Makes a template from a capsule. A running capsule is paused first and stays paused.
   *
   * @throws WrennError `template_name_reserved`, `template_name_taken`, `quota_exceeded`, `snapshot_state` when the capsule
   * neither runs nor is paused.
   */
  async create(teamId: string, publicId: string, options: SnapshotOptions): Promise<TemplateRow> {
    const { database, rows, fleet, operations, random, templates } = this.#deps;
    const { name, overwrite } = options;
    const row = await rows.get(teamId, publicId);
    if (row.status !== "running" && row.status !== "paused") throw new WrennError("snapshot_state", {});
    const replaces = await templates.requireFree(teamId, name, overwrite);
    if (!replaces) await requireTemplateRoom(database, teamId);
    return await operations.run(row.id, "snapshot", async () => {
      const hostAgent = fleet.of(row);
      if (row.status === "running") {
        const status = await hostAgent.pauseCapsule(publicId, AbortSignal.timeout(OPERATION_MS));
        await rows.recordStatus(row, status);
      }
      const hostKey = `tpl-${random.uuid()}`;
      const hostId = row.host_id;
      if (hostId === null) throw new Error(`capsule ${row.id} has no host`);
      await templates.begin(hostKey, hostId);
      const facts = await hostAgent.createSnapshot(publicId, hostKey, AbortSignal.timeout(OPERATION_MS));
      const snapshot = {
        teamId,
        name,
        hostKey,
        hostId,
        vcpus: facts.vcpus,
        memoryMib: facts.memoryMib,
        sizeBytes: facts.sizeBytes,
        metadata: row.metadata,
      };
      return await templates.put(snapshot, overwrite);
    });
  }
}
