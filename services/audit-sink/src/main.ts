import { loadConfig } from "@vigie/service-kit/config";
import { runSinkService } from "@vigie/service-kit/sink-service";
import { startAuditSink } from "./app.ts";
import { auditSinkConfig } from "./config.ts";

await runSinkService("audit-sink", loadConfig(auditSinkConfig, process), startAuditSink);
