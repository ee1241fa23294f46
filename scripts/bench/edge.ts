import { fileURLToPath } from "node:url";
import type { BenchStack } from "./bench-stack.ts";
import { runScript } from "./processes.ts";

const INGEST = fileURLToPath(new URL("../../services/edge/bench/ingest.ts", import.meta.url));

/** Authenticated, validated, acknowledged ingest against a bare Fastify route that produces the same bytes. */
export async function benchEdge(
  servers: BenchStack,
  rounds: string,
): Promise<Record<string, unknown>> {
  const { env } = await servers.installation("edge");
  return JSON.parse(await runScript(INGEST, ["--json", "--rounds", rounds], env)) as Record<
    string,
    unknown
  >;
}
