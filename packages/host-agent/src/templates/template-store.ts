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
  readonly bases: Pick<TemplateBases, "collect" | "remove">;
}

/** A template that the host can make from its own sources. */
export interface TemplateRecipe {
  readonly name: string;
  readonly defaultShape: Shape;
  /** Builds the artifacts if needed and freezes a machine of this shape; content-addressed, so the second call is a look-up. */
  readonly freeze: (shape: Shape, signal: AbortSignal) => Promise<FrozenTemplate>;
  /** What a frozen machine of this moment fits. When it changes while the host agent runs, machines are frozen again. */
  readonly identity?: (signal: AbortSignal) => Promise<string>;
}

/**
 * Templates of this host. A shape is frozen once, however many capsules ask for it at the same time.
 */
export function createTemplateStore(
  recipes: readonly TemplateRecipe[],
  snapshots?: Pick<SnapshotTemplates, "get">,
  mostShapes = MOST_SHAPES,
): TemplateSource {
  const queue = new KeyedQueue();
  /** The one that was used last is the last. */
  const frozen = new Map<string, FrozenTemplate>();
  const use = (key: string, template: FrozenTemplate): FrozenTemplate => {
    frozen.delete(key);
    frozen.set(key, template);
    return template;
  };

  return {
    frozen: async (name, shape, signal, hold = () => {}) => {
      // The sizes of a snapshot are those of the capsule it was made of, whatever is asked for.
      const snapshot = snapshots?.get(name);
      if (snapshot) return snapshot;
      const recipe = recipes.find((candidate) => candidate.name === name);
      if (!recipe) throw new WrennError("template_not_found", { template: name });
      const identity = (await recipe.identity?.(signal)) ?? "";
      const key = `${name}/${shape.vcpus}/${shape.memoryMib}/${identity}`;
      const known = frozen.get(key);
      const take = (template: FrozenTemplate): FrozenTemplate => {
        hold(template);
        return use(key, template);
      };
      if (known) return take(known);
      return await queue.run(key, async () => {
        const sizes = { vcpus: shape.vcpus, memoryMib: shape.memoryMib };
        return take(frozen.get(key) ?? (await recipe.freeze(sizes, signal)));
      });
    },
    list: async () => {
      const facts: TemplateFacts[] = [];
      for (const recipe of recipes) {
        const known = [...frozen.values()].find((template) => template.name === recipe.name);
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
      for (const [key, template] of frozen) {
        if (frozen.size <= mostShapes) break;
        if (isUsed(template)) continue;
        frozen.delete(key);
        // In the turn of its freezing: whoever asks for it from now on waits until its files are gone.
        removals.push(queue.run(key, () => remove(template)));
      }
      await Promise.all(removals);
    },
  };
}
