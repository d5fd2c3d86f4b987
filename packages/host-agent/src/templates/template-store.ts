import { defined, KeyedQueue, WrennError } from "@wrenn/core";
import type { TemplateFacts } from "@wrenn/protocol";
import type { TemplateBases } from "./template-bases.ts";
import type { SnapshotTemplates } from "./snapshot-templates.ts";
import type { FrozenTemplate, Shape, TemplateSource } from "./frozen-template.ts";

/** Sizes of machines that are kept frozen although no capsule uses them. Each takes about 300 MiB. */
const MOST_SHAPES = 32;

/** The templates of this host, and what capsules and templates depend on. */
export interface Templates {
  readonly source: TemplateSource;
  readonly snapshots: SnapshotTemplates;
  readonly bases: Pick<TemplateBases, "collect" | "images" | "isNeeded" | "remove">;
}

/** A template that the host can make from its own sources. */
export interface TemplateRecipe {
  readonly name: string;
  readonly defaultShape: Shape;
  /** Builds the artifacts if needed and freezes a machine of this shape; content-addressed, so the second call is a look-up. */
  readonly freeze: (shape: Shape, signal: AbortSignal) => Promise<FrozenTemplate>;
  /**
   * What a frozen machine of this moment fits and is made of. When it changes while the host agent runs, machines are frozen again, and
   * those of before are removed as soon as nothing depends on them.
   */
  readonly identity?: (signal: AbortSignal) => Promise<string>;
}

/** Finds a template that is not listed by its name. */
export type FindRecipe = (name: string) => Promise<TemplateRecipe | undefined>;

export interface TemplateStoreOptions {
  /** Default: none are found. */
  readonly findRecipe?: FindRecipe;
  /** Default: 32. */
  readonly mostShapes?: number;
}

interface FrozenOnce {
  readonly template: FrozenTemplate;
  /** Of its recipe when it was frozen. */
  readonly identity: string;
}

/**
 * Templates of this host. A shape is frozen once, however many capsules ask for it at the same time.
 */
export function createTemplateStore(
  recipes: readonly TemplateRecipe[],
  snapshots?: Pick<SnapshotTemplates, "get">,
  { findRecipe = async () => undefined, mostShapes = MOST_SHAPES }: TemplateStoreOptions = {},
): TemplateSource {
  const queue = new KeyedQueue();
  /** The one that was used last is the last. */
  const frozen = new Map<string, FrozenOnce>();
  /** The latest identity of each recipe. */
  const identities = new Map<string, string>();
  const isCurrent = ({ template, identity }: FrozenOnce): boolean =>
    (identities.get(template.name) ?? identity) === identity;

  return {
    frozen: async (name, shape, signal, hold = () => {}) => {
      // The sizes of a snapshot are those of the capsule it was made of, whatever is asked for.
      const snapshot = snapshots?.get(name);
      if (snapshot) return snapshot;
      const recipe = recipes.find((candidate) => candidate.name === name) ?? (await findRecipe(name));
      if (!recipe) throw new WrennError("template_not_found", { template: name });
      const identity = (await recipe.identity?.(signal)) ?? "";
      identities.set(name, identity);
      const key = `${name}/${shape.vcpus}/${shape.memoryMib}/${identity}`;
      const known = frozen.get(key);
      const take = (template: FrozenTemplate): FrozenTemplate => {
        hold(template);
        frozen.delete(key);
        frozen.set(key, { template, identity });
        return template;
      };
      if (known) return take(known.template);
      return await queue.run(key, async () => {
        const sizes = { vcpus: shape.vcpus, memoryMib: shape.memoryMib };
        return take(frozen.get(key)?.template ?? (await recipe.freeze(sizes, signal)));
      });
    },
    list: async () => {
      const facts: TemplateFacts[] = [];
      for (const recipe of recipes) {
        const known = [...frozen.values()].find(
          (one) => one.template.name === recipe.name && isCurrent(one),
        )?.template;
        facts.push({
          name: recipe.name,
          sizeBytes: known?.sizeBytes ?? 0,
          ...recipe.defaultShape,
          ...defined({ identity: known?.content }),
        });
      }
      return facts;
    },
    removeUnused: async (isUsed, remove) => {
      const removals: Promise<void>[] = [];
      for (const [key, one] of frozen) {
        const { template } = one;
        if (isUsed(template) || (frozen.size <= mostShapes && isCurrent(one))) continue;
        frozen.delete(key);
        // In the turn of its freezing: whoever asks for it from now on waits until its files are gone.
        removals.push(queue.run(key, () => remove(template)));
      }
      await Promise.all(removals);
    },
  };
}
