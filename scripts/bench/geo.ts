import { fileURLToPath } from "node:url";
import type { BenchStack } from "./bench-stack.ts";
import { runScript } from "./processes.ts";

const SCRIPT = fileURLToPath(new URL("../../services/geo/bench/detect.ts", import.meta.url));

/** Countries detected, against a bare Fastify route that answers the same bytes. */
export async function benchGeo(
  servers: BenchStack,
  rounds: string,
): Promise<Record<string, unknown>> {
  const { env } = await servers.installation("geo");
  return JSON.parse(await runScript(SCRIPT, ["--rounds", rounds], env)) as Record<string, unknown>;
}
