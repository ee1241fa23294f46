import { join } from "node:path";
import { loadConfig } from "@vigie/service-kit/config";
import { createHealth } from "@vigie/service-kit/health";
import { createLogger } from "@vigie/service-kit/log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { startOpsServer } from "@vigie/service-kit/ops-server";
import { runUntilSignal } from "@vigie/service-kit/shutdown";
import type { Command } from "../commands.ts";
import { witnessConfig } from "./config.ts";
import { openWitnessKeys } from "./keys.ts";
import { openRecords } from "./records.ts";
import { startWitnessServer } from "./server.ts";
import { createWitness } from "./witness.ts";

/** A witness as a process of its own, until a signal comes. It needs neither Kafka nor PostgreSQL. */
export const witnessCommand: Command = async (args) => {
  const config = loadConfig(witnessConfig, { env: process.env, argv: args });
  const log = createLogger("audit-witness", { level: config.LOG_LEVEL });
  const metrics = createMetrics("audit-witness");
  const health = createHealth("audit-witness");
  const answers = metrics.counter("vigie_witness_answers_total", "Answers by status", ["status"]);
  const sizes = metrics.gauge("vigie_witness_tree_size", "Leaves last cosigned", ["origin"], "max");
  const keys = openWitnessKeys(config.WITNESS_KEY_FILE, config.WITNESS_LOGS);
  const witness = createWitness({
    ...keys,
    records: openRecords(join(config.VIGIE_STATE_DIR, "witness")),
    clock: Date.now,
    log,
    onCosigned: (origin, size) => sizes.set({ origin }, Number(size)),
  });
  const server = await startWitnessServer({
    witness,
    log,
    port: config.WITNESS_PORT,
    host: config.HOST,
    onAnswer: (status) => answers.inc({ status: String(status) }),
  });
  const ops = await startOpsServer({
    port: config.METRICS_PORT,
    host: config.HOST,
    metrics: () => metrics.registry.metrics(),
    health: () => health.report(),
  });
  const { name, id } = keys.signer.key;
  const logs = [...keys.logs.keys()];
  log.info({ port: server.port, metricsPort: ops.port, key: `${name}+${id}`, logs }, "started");
  await runUntilSignal([server, ops], { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS });
  return 0;
};
