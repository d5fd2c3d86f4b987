import { useNodePlatform } from "./node-platform.ts";

useNodePlatform();

export * from "../index.ts";
