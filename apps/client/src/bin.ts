#!/usr/bin/env node
import { Command } from "commander";
import manifest from "../package.json" with { type: "json" };
import { addClientCommands, parseWords } from "./index.ts";

/* The command line that is packed for machines without a server. */

const program = new Command("wrenn")
  .description("A computer of its own for every AI agent and every developer")
  .version(manifest.version, "-V, --version", "print the version")
  .enablePositionalOptions();
addClientCommands(program, process, { findLocal: async () => undefined });
const code = await parseWords(program, process, process.argv.slice(2));
if (code !== undefined) process.exitCode = code;
