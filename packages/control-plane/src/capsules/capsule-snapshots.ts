import { defined, problemOf, WrennError } from "@wrenn/core";
import type { Logger, Random } from "@wrenn/core";
import type { TemplateRow } from "@wrenn/database";
import type { Fleet } from "../hosts/fleet.ts";
import { currentActor } from "../http/current-identity.ts";
import type { WaitingClient } from "../http/waiting-client.ts";
import type { TemplatesService } from "../templates/templates.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import { OPERATION_MS } from "./operations.ts";
import type { Operations } from "./operations.ts";
import { templateClaim } from "./storage-quota.ts";
import type { StorageQuota } from "./storage-quota.ts";

const MIB = 1 << 20;

export interface CapsuleSnapshotsDeps {
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
  readonly operations: Operations;
  readonly storageQuota: StorageQuota;
  readonly templates: TemplatesService;
  readonly random: Random;
  readonly logger: Logger;
}

export interface SnapshotOptions {
  /** Of the template. */
  readonly name: string;
  /** Whether a template with this name is replaced. */
  readonly overwrite: boolean;
  /** The client, when it did not choose the name: without the answer it could not name the template. */
  readonly client?: WaitingClient | undefined;
}

/** Makes templates from capsules (docs/reference/rest-api.md#templates). */
export class CapsuleSnapshots {
  readonly #deps: CapsuleSnapshotsDeps;

  constructor(deps: CapsuleSnapshotsDeps) {
    this.#deps = deps;
  }

  /**
   * Makes a template from a capsule. A running capsule is paused first and stays paused. No template is left of `client` when it
   * leaves before its answer.
   *
   * @throws WrennError `template_name_reserved`, `template_name_taken`, `quota_exceeded`, `snapshot_state` when the capsule
   * neither runs nor is paused.
   */
  async create(teamId: string, publicId: string, options: SnapshotOptions): Promise<TemplateRow> {
    const { rows, fleet, operations, random, templates, storageQuota } = this.#deps;
    const { name, overwrite, client } = options;
    const row = await rows.get(teamId, publicId);
    if (row.status !== "running" && row.status !== "paused") throw new WrennError("snapshot_state", {});
    const replaces = await templates.requireFree(teamId, name, overwrite);
    const ids = await storageQuota.begin(row, "snapshot", templateClaim(row), {
      templates: replaces ? 0 : 1,
    });
    return await operations.finish(ids, "snapshot", async () => {
      const hostAgent = fleet.of(row);
      if (row.status === "running") {
        const status = await hostAgent.pauseCapsule(publicId, AbortSignal.timeout(OPERATION_MS));
        await rows.recordStatus(row, status);
      }
      const hostKey = `tpl-${random.uuid()}`;
      const hostId = row.host_id;
      if (hostId === null) throw new Error(`capsule ${row.id} has no host`);
      await templates.begin(hostKey, hostId);
      const limit = AbortSignal.timeout(OPERATION_MS);
      const signal = client ? AbortSignal.any([limit, client.left]) : limit;
      const facts = await hostAgent.createSnapshot(publicId, { key: hostKey, ownPrograms: false }, signal);
      if (client?.left.aborted === true) await templates.discard(hostKey, hostId);
      client?.left.throwIfAborted();
      const snapshot = {
        teamId,
        name,
        hostKey,
        hostId,
        // A host has no say in what capsules of the template count for.
        vcpus: row.vcpus,
        memoryMib: row.memory_mb,
        sizeBytes: Math.min(facts.sizeBytes, (row.memory_mb + row.disk_mb) * MIB),
        metadata: { ...row.user_metadata, ...row.metadata },
        diskMib: row.disk_mb,
        envNames: row.env_names,
        madeOf: row.id,
        actor: currentActor(),
        ...defined({
          network: row.network ?? undefined,
          user: row.default_user ?? undefined,
          cwd: row.default_cwd ?? undefined,
        }),
      };
      const template = await templates.put(snapshot, overwrite);
      if (client) this.#removeUnlessAnswered(teamId, name, client);
      return template;
    });
  }

  #removeUnlessAnswered(teamId: string, name: string, { outcome }: WaitingClient): void {
    const { operations, templates, logger } = this.#deps;
    void outcome.then((outcome) => {
      if (outcome === "answered") return;
      operations.background(templates.remove(teamId, name)).catch((error: unknown) => {
        logger.warn("template.client_left", { template: name, problem: problemOf(error) });
      });
    });
  }
}
