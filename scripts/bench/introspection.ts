import { fileURLToPath } from "node:url";
import type { BenchStack } from "./bench-stack.ts";
import { runScript } from "./processes.ts";

const SCRIPT = fileURLToPath(
  new URL("../../services/edge/bench/introspection.ts", import.meta.url),
);

/** Tokens with a live session introspected, against a bare Fastify route that does one GET of the same Redis. */
export async function benchIntrospection(
  servers: BenchStack,
  rounds: string,
): Promise<Record<string, unknown>> {
  const { env } = await servers.installation("introspection");
  return JSON.parse(await runScript(SCRIPT, ["--rounds", rounds], env)) as Record<string, unknown>;
}
