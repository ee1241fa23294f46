import { loadConfig } from "@vigie/service-kit/config";
import { runSinkService } from "@vigie/service-kit/sink-service";
import { startAuditSink } from "./app.ts";
import { commandOf } from "./commands.ts";
import { auditSinkConfig } from "./config.ts";

const command = commandOf(process.argv.slice(2));
if (command !== null) process.exitCode = await command();
else await runSinkService("audit-sink", loadConfig(auditSinkConfig, process), startAuditSink);
