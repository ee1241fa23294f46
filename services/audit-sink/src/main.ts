import { loadConfig } from "@vigie/service-kit/config";
import { runSinkService } from "@vigie/service-kit/sink-service";
import { startAuditSink } from "./app.ts";
import { commandOf } from "./commands.ts";
import { auditSinkConfig } from "./config.ts";
import { projectionConfig } from "./projection/config.ts";

const command = commandOf(process.argv.slice(2));
if (command !== null) process.exitCode = await command();
else {
  const config = loadConfig(auditSinkConfig, process);
  await runSinkService("audit-sink", config, startAuditSink, {
    module: new URL("./projection/worker.ts", import.meta.url),
    data: loadConfig(projectionConfig, process),
  });
}
