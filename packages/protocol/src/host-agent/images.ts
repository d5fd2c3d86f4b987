import { Type } from "typebox";
import { Count, Id, Text } from "./scalars.ts";
import type { Described } from "./scalars.ts";

/** Linux passes no longer text to a program. */
const Word = Type.String({ maxLength: 128 * 1024 });
const Words = Type.Array(Word, { maxItems: 4096 });

/** How a registry knows who pulls. */
export const RegistryLogin = Type.Object({ username: Text, password: Text });
export type RegistryLogin = Described<typeof RegistryLogin>;

export const ImageRequest = Type.Object({
  /** Chosen by the caller, to ask for the progress. */
  id: Id,
  /** As people write it: `python:3.12`, `registry.example:5000/team/app@sha256:…`; of an archive, how errors name that. */
  reference: Text,
  /** Takes the image from an archive that the host has received, and not from a registry. */
  archive: Type.Optional(
    Type.Object({
      id: Id,
      /** Name of the image in the archive; absent: its only one. */
      image: Type.Optional(Text),
    }),
  ),
  /** Before what the host itself knows of the registry. */
  login: Type.Optional(RegistryLogin),
});
export type ImageRequest = Described<typeof ImageRequest>;

/** What an image says of the programs that run in it (OCI image specification, config.md). */
export const ImageSettings = Type.Object({
  env: Type.Record(Word, Word),
  /** Name or number, with `:group` where one is given. */
  user: Text,
  /** Absolute. */
  workdir: Text,
  shell: Words,
  entrypoint: Words,
  cmd: Words,
  stopSignal: Type.Optional(Text),
  /** `8080/tcp`. */
  exposedPorts: Type.Array(Text, { maxItems: 1000 }),
  labels: Type.Record(Word, Word),
  healthcheck: Type.Optional(
    Type.Object({
      argv: Words,
      intervalMs: Type.Optional(Count),
      timeoutMs: Type.Optional(Count),
      startPeriodMs: Type.Optional(Count),
      retries: Type.Optional(Count),
    }),
  ),
});
export type ImageSettings = Described<typeof ImageSettings>;

export const ImportedImage = Type.Object({
  /** The template that capsules of this host start from, in any size. It stays for as long as something depends on it, and a while longer. */
  template: Text,
  /** Of the manifest of this platform: `sha256:…`. */
  digest: Text,
  /** Size of the disk of its capsules. */
  diskMib: Count,
  /** Of its files. */
  sizeBytes: Count,
  settings: ImageSettings,
});
export type ImportedImage = Described<typeof ImportedImage>;

/** How far an import is. */
export const ImportProgress = Type.Object({
  phase: Type.Enum(["resolve", "download", "unpack", "disk"]),
  doneBytes: Count,
  /** 0 while it is not known. */
  totalBytes: Count,
});
export type ImportProgress = Described<typeof ImportProgress>;
