import { digestProblem } from "../reference/digest.ts";
import type { Descriptor } from "./image-source.ts";
import { FormatError, listOf, objectOf, optionalObject, parseObject, sizeOf, textOf } from "./json-fields.ts";
import type { JsonObject } from "./json-fields.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "./media-types.ts";
import type { Platform } from "./platform.ts";

const MAX_INDEX_ENTRIES = 10_000;
const MAX_LAYERS = 10_000;
const MAX_TYPE = 255;

/** An entry of a list of manifests. */
export interface IndexEntry extends Descriptor {
  readonly platform: Platform | undefined;
  readonly annotations: JsonObject;
}

/** What a manifest says: the image of one platform, or the list of them. */
export type Manifest =
  | { readonly kind: "image"; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  | { readonly kind: "index"; readonly entries: readonly IndexEntry[] };

/**
 * Reads a manifest or a list of manifests (OCI image specification, manifest.md and image-index.md).
 *
 * @throws FormatError
 */
export function parseManifest(mediaType: string, bytes: Uint8Array): Manifest {
  const json = parseObject(bytes);
  // The type in the document is the one that its digest holds for. A document that is both must not be read as either.
  const said = json["mediaType"];
  if (said !== undefined && said !== mediaType)
    throw new FormatError(
      `its media type is ${mediaType}, and in itself ${JSON.stringify(said).slice(0, MAX_TYPE)}`,
    );
  if (INDEX_TYPES.includes(mediaType)) {
    if (json["layers"] !== undefined || json["config"] !== undefined)
      throw new FormatError("it is a list of manifests that has layers");
    return { kind: "index", entries: parseIndex(json) };
  }
  if (json["manifests"] !== undefined) throw new FormatError("it is a manifest that has manifests");
  return {
    kind: "image",
    config: descriptorOf(json["config"], "config"),
    layers: listOf(json["layers"], "layers", MAX_LAYERS).map((layer, at) =>
      descriptorOf(layer, `layers[${at}]`),
    ),
  };
}

/** The entries of a list of manifests. @throws FormatError */
export function parseIndex(json: JsonObject): readonly IndexEntry[] {
  return listOf(json["manifests"], "manifests", MAX_INDEX_ENTRIES).map((entry, at) => {
    const name = `manifests[${at}]`;
    const { platform, annotations } = objectOf(entry, name);
    return {
      ...descriptorOf(entry, name),
      platform:
        platform === undefined || platform === null ? undefined : platformOf(objectOf(platform, name)),
      annotations: optionalObject(annotations, `${name}.annotations`),
    };
  });
}

/** The type of a manifest that was stored without it, by what the manifest has. @throws FormatError */
export function guessManifestType(bytes: Uint8Array): string {
  const json = parseObject(bytes);
  const said = json["mediaType"];
  if (typeof said === "string") return said;
  const types = json["manifests"] === undefined ? MANIFEST_TYPES : INDEX_TYPES;
  return types[0] ?? "";
}

/** The platform in an entry of a list or in a configuration. @throws FormatError */
export function platformOf(json: JsonObject): Platform {
  const variant = textOf(json["variant"], "variant", MAX_TYPE);
  return {
    os: textOf(json["os"], "os", MAX_TYPE),
    architecture: textOf(json["architecture"], "architecture", MAX_TYPE),
    ...(variant === "" ? {} : { variant }),
  };
}

function descriptorOf(value: unknown, name: string): Descriptor {
  const json = objectOf(value, name);
  const digest = textOf(json["digest"], `${name}.digest`, MAX_TYPE);
  const problem = digestProblem(digest);
  if (problem !== undefined) throw new FormatError(`${name}: ${problem}`);
  return {
    mediaType: textOf(json["mediaType"], `${name}.mediaType`, MAX_TYPE),
    digest,
    size: sizeOf(json["size"], `${name}.size`),
  };
}
