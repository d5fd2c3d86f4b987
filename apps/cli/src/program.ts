import { addClientCommands } from "@wrenn/client";
import { Command, InvalidArgumentError, Option } from "commander";
import type { BenchOptions } from "./bench/bench-options.ts";
import { CommandExit } from "./command-exit.ts";
import type { BuildBuiltInOptions } from "./commands/build-built-in.ts";

/**
 * The command line. Each command's module is loaded only when it is called, so that start-up stays short.
 *
 * @param isBundled - whether this code is a bundle; servers that run from the sources make one for their next start.
 */
export function createProgram(isBundled = false): Command {
  const program = new Command("wrenn")
    .description("A computer of its own for every AI agent and every developer")
    // Answered by the launcher, which needs no npm for it.
    .option("-V, --version", "print the version")
    .enablePositionalOptions();

  program
    .command("up")
    .description("install what is missing, build, and run the server in the foreground")
    .option("--listen <address>", "address and port of the API (default: WRENN_LISTEN, or 127.0.0.1:8080)")
    .option("--domain <name>", "domain of capsules' ports: {port}-{capsule}.{domain}")
    .option("--tls [address]", "serve HTTPS too, with a certificate of an own CA unless one is given")
    .option("--tls-cert <file>", "certificate chain, PEM")
    .option("--tls-key <file>", "its private key, PEM")
    .option("--dns <address>", "answer DNS queries for the domain, over UDP")
    .option("--e2b", "keep a key for clients of E2B, which `wrenn e2b env` prints the settings for")
    .option("--no-dashboard", "neither build nor serve the dashboard")
    .option("--no-host", "run no capsules here: they are placed on hosts that join")
    .option("--log <format>", "log lines for people or machines: text, json", "text")
    .action(async (options) => (await import("./commands/up.ts")).up(options, isBundled));

  program
    .command("host")
    .description("machines that run capsules for control planes on others")
    .command("join")
    .description("run the host agent of this machine; the first time it registers with --url and --token")
    .option("--url <url>", "where a control plane's API is")
    .option("--token <token>", "registration token of the host, from POST /v1/hosts")
    .option("--listen <address>", "address and port for control planes, mutual TLS only", "0.0.0.0:8090")
    .option("--advertise <address>", "address and port at which control planes reach it, if another")
    .option("--log <format>", "log lines for people or machines: text, json", "text")
    .action(async (options) => (await import("./commands/host.ts")).hostJoin(options, isBundled));

  addClientCommands(program, process, {
    findLocal: async () => (await import("./client/local-server.ts")).findLocalServer(process.env),
    renewFirstAdmin: async (...all) =>
      (await import("./client/renew-first-admin.ts")).renewFirstAdmin(process.env, ...all),
    withServer: async (...all) => (await import("./client/with-server.ts")).withServer(process.env, ...all),
  });

  const template = program.commands.find((command) => command.name() === "template");
  template
    ?.command("build")
    .description("build templates that every team starts from, of packages that this machine fetches")
    .option(
      "--builtin <name>",
      "python, node, base, code-interpreter-v1, code-runner-beta, or all of them; required",
    )
    .option("--json", "print one JSON document")
    .addOption(
      new Option("--progress <kind>", "auto: live on a terminal; plain: line by line; quiet: none")
        .choices(["auto", "plain", "quiet"])
        .default("auto"),
    )
    .action(async (options: BuildBuiltInOptions) => {
      const code = await (await import("./commands/build-built-in.ts")).buildBuiltIn(options);
      if (code !== 0) throw new CommandExit(code);
    });
  template
    ?.command("refresh")
    .description("build the built-in template of this machine again, from current packages and kernel")
    .option("--check", "only print what a refresh would change")
    .option("--json", "print one JSON document")
    .action(async (options: { check?: boolean; json?: boolean }) =>
      (await import("./commands/refresh.ts")).refresh(options),
    );

  const db = program.command("db").description("care for the embedded database");
  db.command("backup")
    .description("write the database to a file; a running server goes on running")
    .argument("<file>", "file to write; replaced when it is there")
    .action(async (file: string) => (await import("./commands/db.ts")).backup(file));
  db.command("restore")
    .description("make the database of a backup; the server must not run")
    .option("--force", "replace the database that is there, which is kept beside it")
    .argument("<file>", "file that backup wrote")
    .action(async (file: string, options: { force?: boolean }) =>
      (await import("./commands/db.ts")).restore(file, options),
    );

  program
    .command("e2b")
    .description("use clients of E2B with the server of this machine")
    .command("env")
    .description("print the environment variables that clients of E2B need, for a shell")
    .option("--http", "for plain HTTP, also when the server has a domain with TLS: it needs no DNS")
    .option("--check", "instead, test the variables that are set, and say what is wrong")
    .action(async (options: { check?: boolean; http?: boolean }) =>
      (await import("./commands/e2b-env.ts")).e2bEnv(options),
    );

  program
    .command("doctor")
    .description("check whether capsules can run on this machine, and say how to mend what is wrong")
    .option("--json", "print the findings as JSON")
    .option("--sweep", "instead, remove what killed processes left on this machine and nobody owns")
    .option("--dry-run", "with --sweep: only say what would be removed")
    .action(async (options: { json?: boolean; sweep?: boolean; dryRun?: boolean }) =>
      options.sweep === true
        ? (await import("./commands/sweep.ts")).sweep(options)
        : (await import("./commands/doctor.ts")).doctor(options),
    );

  program
    .command("check")
    .description("types, lint, format, unused code, import boundaries")
    .action(async () => (await import("./commands/check.ts")).check());

  program
    .command("test")
    .description("install what is missing and run every test")
    .option("--long", "also the full matrices and soaks")
    .option("--only <part>", "only test files whose path contains this, or the group of this name")
    .action(async (options: { long?: boolean; only?: string }) =>
      (await import("./commands/test.ts")).test(options),
    );

  program
    .command("bench")
    .description("measure the numbers that the documentation quotes, on this machine")
    .option("--rounds <count>", "measured rounds per row", wholeNumber, 20)
    .option("--only <part>", "only rows, or peers of Wrenn, whose name contains this")
    .option("--json <file>", "write the raw samples to a file, after each round")
    .option("--minutes <count>", "begin no round that would end after this time", wholeNumber)
    .option("--quick", "only the rows that people wait for, for two minutes")
    .option("--goals", "only the rows that docs/reference/performance.md shows first")
    .option(
      "--peers",
      "in place of rows: Wrenn next to podman, gVisor, bwrap and a cold boot, where installed",
    )
    .option("--compare <file>", "print the ratios to a run that --json stored")
    .option("--base <directory>", "rows of the API, in turn with the server of another checkout")
    .action(async (options: BenchOptions) => (await import("./commands/bench.ts")).bench(options));

  return program;
}

function wholeNumber(text: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw new InvalidArgumentError("a whole number above 0 is needed.");
  return Number(text);
}
