import { loadConfig } from "@vigie/service-kit/config";
import { runSinkService } from "@vigie/service-kit/sink-service";
import { sessionCacheConfig } from "./config.ts";
import { startCacheService } from "./service.ts";

await runSinkService("session-cache", loadConfig(sessionCacheConfig, process), startCacheService);
