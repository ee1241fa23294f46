import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { assert } from "@vigie/core/assert";
import { type HealthReport, healthAnswer, healthPaths } from "./health.ts";

export interface OpsServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly host?: string;
  /** The exposition text of Prometheus. */
  metrics(): Promise<string>;
  health(): HealthReport | Promise<HealthReport>;
}

export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Source: Prometheus text exposition format 0.0.4. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Serves /metrics and the health paths for services that have no other HTTP. */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  // A scraper that never finishes its request must not hold a connection for ever.
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host ?? "0.0.0.0", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  options: OpsServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  if (request.method !== "GET" && request.method !== "HEAD") {
    return send(response, 405, "application/json", JSON.stringify({ status: "GET only" }));
  }
  if (path === "/metrics") return send(response, 200, METRICS_TYPE, await options.metrics());
  // Liveness must not wait for a worker that is busy.
  const told = path !== "/livez" && isHealthPath(path) ? await options.health() : null;
  const health = healthAnswer(path, () => {
    assert(told !== null, "liveness asks for no report");
    return told;
  });
  const { status, body } = health ?? { status: 404, body: { status: "no such path" } };
  send(response, status, "application/json", JSON.stringify(body));
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(body);
}

const isHealthPath = (path: string): boolean => healthPaths.some((known) => known === path);
