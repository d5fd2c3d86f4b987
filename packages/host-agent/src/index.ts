export { createHostAgent } from "./create-host-agent.ts";
export type { RunningHostAgent } from "./create-host-agent.ts";
export type { HostAgentDependencies, HostFactsSource, Slots } from "./dependencies.ts";
export { operationSteps } from "./steps.ts";
export type { Operation, Step, StepObserver } from "./steps.ts";
export { bootTemplate } from "./templates/boot-template.ts";
export type { BootTemplateOptions } from "./templates/boot-template.ts";
export { createTemplateStore } from "./templates/template-store.ts";
export type { FrozenTemplate, Shape, TemplateSource } from "./templates/template-source.ts";
