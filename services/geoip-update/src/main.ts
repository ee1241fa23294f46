import { loadConfig } from "@vigie/service-kit/config";
import { createLogger } from "@vigie/service-kit/log";
import { runUpdater } from "./app.ts";
import { geoipUpdateConfig } from "./config.ts";

const config = loadConfig(geoipUpdateConfig, process);
const log = createLogger("geoip-update", { level: config.LOG_LEVEL });
process.exitCode = await runUpdater(config, log, process);
