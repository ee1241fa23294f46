import type { SessionAnomaly } from "@vigie/schemas/types";
import { loadConfig } from "@vigie/service-kit/config";
import { kafkaConfig, registryConfig } from "@vigie/service-kit/shared-config";
import { openTopics } from "./demo/topics.ts";

/** Prints one line an anomaly until it is told to stop. For the terminal of a developer. */
const topics = await openTopics(loadConfig({ ...kafkaConfig, ...registryConfig }, process));
const told = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => resolve());
});
await topics.follow(({ kind, severity, action, tenant_id, user_id, explanation }: SessionAnomaly) =>
  console.log(`${severity} ${kind} ${tenant_id}|${user_id} ${action}: ${explanation}`),
);
await told;
await topics.close();
