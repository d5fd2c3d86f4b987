import type { Phase } from "@wrenn/core";

/**
 * The steps of every operation on a capsule, in order. Each is journalled before it is done, so that a restarted host agent
 * knows how far an operation came. The crash matrix in tests/chaos is enumerated from this table: a new step cannot be forgotten.
 */
export const operationSteps = {
  create: ["slot", "disk", "machine", "guest", "identity", "commit"],
  resume: ["slot", "disk", "machine", "guest", "identity", "commit"],
  pause: ["quiesce", "stop", "device-state", "memory", "commit", "release"],
  // Its processes end, and its disk alone is kept.
  "pause-disk": ["shutdown", "stop", "commit", "release"],
  checkpoint: ["quiesce", "stop", "disk", "device-state", "memory", "continue", "commit"],
  // Its frozen moment is a checkpoint, and each child a create, with their own steps.
  fork: ["capture", "children", "drop"],
  snapshot: ["memory", "device-state", "disk", "commit", "answer"],
  destroy: ["guest", "machine", "slot", "directory"],
} as const;

/** The phase of an operation that a step is part of; what is not named here is measured as no phase. */
export const phaseOfStep: { readonly [step in Step]?: Phase } = {
  slot: "network",
  disk: "disk",
  machine: "machine",
  guest: "guest",
  identity: "guest",
  shutdown: "guest",
  quiesce: "guest",
  stop: "machine",
  "device-state": "memory",
  memory: "memory",
  continue: "machine",
  release: "machine",
  directory: "disk",
};

export type Operation = keyof typeof operationSteps;
export type Step<O extends Operation = Operation> = (typeof operationSteps)[O][number];

/** Called before each step is done; a test may throw here to make the step fail. */
export type StepObserver = (capsuleId: string, operation: Operation, step: Step) => Promise<void> | void;

/** Writes a step down before it is done. */
export type StepJournal<O extends Operation> = (step: Step<O>) => Promise<void>;
