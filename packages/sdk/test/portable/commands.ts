import { check, equal, rejection } from "./check.ts";
import type { PortableContext, Scenario } from "./scenario.ts";

const commandsOf = async ({ sdk, connection, capsuleId }: PortableContext) =>
  (await sdk.Capsule.get(capsuleId, connection)).commands;

/** Writes the three bytes of a euro sign in two pieces, now and then with a pause between them, and at the end a byte that is no text. */
const SPLIT = `i=0
while [ $i -lt 24 ]; do
  printf '\\342'; [ $((i % 8)) -gt 0 ] || sleep 0.01; printf '\\202\\254'
  i=$((i + 1))
done
printf '\\377\\303'; sleep 0.01; printf '\\244'`;
const SPLIT_TEXT = `${"€".repeat(24)}\uFFFDä`;

export const commandScenarios: readonly Scenario[] = [
  {
    name: "a command gives both outputs and its exit code",
    run: async (context) => {
      const commands = await commandsOf(context);
      const result = await commands.run("echo out; echo err >&2; exit 3", { envs: { A: "b" }, cwd: "/tmp" });
      equal([result.stdout, result.stderr, result.exitCode], ["out\n", "err\n", 3]);
      equal((await commands.run("printf", { args: ["%s", "a b"] })).stdout, "a b");
      equal((await commands.run("cat", { stdin: "input" })).stdout, "input");
      const error = await rejection(commands.run("exit 4", { check: true }));
      check(context.sdk.isWrennError(error, "command_failed"), String(error));
    },
  },
  {
    name: "callbacks get output as it arrives, and the result keeps none of it",
    run: async (context) => {
      const commands = await commandsOf(context);
      const chunks: string[] = [];
      const goOn = `${context.path}-go-on`;
      let wasEarly = false;
      const { stdout, stderr } = await commands.run(
        `echo 1; until test -e ${goOn}; do sleep 0.05; done; echo 2; echo 3 >&2`,
        {
          onStdout: async (text) => {
            chunks.push(text);
            if (wasEarly) return;
            wasEarly = true;
            await commands.run(`touch ${goOn}`);
          },
        },
      );
      equal([chunks.join(""), stdout, stderr], ["1\n2\n", "", "3\n"]);
    },
  },
  {
    name: "characters that are split at any byte arrive whole, and raw bytes exactly",
    run: async (context) => {
      const commands = await commandsOf(context);
      let text = "";
      await commands.run(SPLIT, { onStdout: (chunk) => void (text += chunk) });
      equal(text, SPLIT_TEXT);
      const { stdout, stdoutBytes } = await commands.run(SPLIT, { encoding: "bytes" });
      equal(stdout, SPLIT_TEXT);
      equal(stdoutBytes.length, 75);
      equal([...stdoutBytes.subarray(71)], [0xac, 0xff, 0xc3, 0xa4]);
    },
  },
  {
    name: "a command in the background takes input, is iterated over and killed",
    run: async (context) => {
      const commands = await commandsOf(context);
      const handle = await commands.run("while read line; do echo got $line; done; sleep 60", {
        background: true,
        stdin: true,
      });
      await handle.sendStdin("one\n");
      let text = "";
      for await (const chunk of handle) {
        text += chunk.text;
        if (text === "got one\n") await handle.sendStdin("two\n");
        if (text === "got one\ngot two\n") break;
      }
      await handle.closeStdin();
      check(
        (await commands.list()).some(({ tag }) => tag === handle.tag),
        "it is listed",
      );
      equal(await handle.kill("SIGTERM"), true);
      equal((await handle.wait()).signal, 15);
    },
  },
  {
    name: "an abort ends the command and rejects with its reason",
    run: async (context) => {
      const commands = await commandsOf(context);
      const controller = new AbortController();
      const reason = new Error("enough");
      const tag = `aborted-${context.path}`;
      const running = commands.run("echo started; sleep 60", {
        tag,
        signal: controller.signal,
        onStdout: () => controller.abort(reason),
      });
      const error = await rejection(running);
      check(error === reason, `it rejects with ${JSON.stringify(error)}`);
      check(!(await commands.list()).some((one) => one.tag === tag), "it has ended");
    },
  },
  {
    name: "a time limit ends the command, and the error has what it printed",
    run: async (context) => {
      const commands = await commandsOf(context);
      const error = await rejection(commands.run("echo started; sleep 60", { timeoutMs: 1000 }));
      check(context.sdk.isWrennError(error, "command_timed_out"), String(error));
      const { stdout } = (error.details?.["result"] ?? {}) as { readonly stdout?: string };
      equal(stdout, "started\n");
    },
  },
  {
    name: "git runs in the capsule",
    run: async ({ sdk, connection, capsuleId, path }) => {
      const { git } = await sdk.Capsule.get(capsuleId, connection);
      const cwd = `${path}-repository`;
      await git.init({ directory: cwd });
      const { isClean } = await git.status({ cwd });
      equal(isClean, true);
    },
  },
  {
    name: "a callback that throws rejects its call only",
    run: async (context) => {
      const commands = await commandsOf(context);
      const problem = new Error("of the callback");
      const [thrown, other] = await Promise.all([
        rejection(
          commands.run("echo 1; sleep 60", {
            onStdout: () => {
              throw problem;
            },
          }),
        ),
        commands.run("sleep 0.3; echo 2"),
      ]);
      equal([thrown === problem, other.stdout], [true, "2\n"]);
    },
  },
];
