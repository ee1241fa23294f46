import { fileURLToPath } from "node:url";
import type { BenchStack } from "./bench-stack.ts";
import { runScript } from "./processes.ts";

const SCRIPT = fileURLToPath(
  new URL("../../services/edge/bench/introspection.ts", import.meta.url),
);

/** The machine stands still about once a second: of few long rounds each has such a moment, and its queue after it. */
const ROUNDS = ["--rounds", "15", "--seconds", "2"];

/** Tokens with a live session introspected, against a bare Fastify route that does one GET of the same Redis. */
export async function benchIntrospection(servers: BenchStack): Promise<Record<string, unknown>> {
  const { env } = await servers.installation("introspection");
  return JSON.parse(await runScript(SCRIPT, ROUNDS, env)) as Record<string, unknown>;
}
