import { loadConfig } from "@vigie/service-kit/config";
import { runSinkService } from "@vigie/service-kit/sink-service";
import { startSessionSink } from "./app.ts";
import { sessionSinkConfig } from "./config.ts";

await runSinkService("session-sink", loadConfig(sessionSinkConfig, process), startSessionSink);
