import assert from "node:assert/strict";
import { connect } from "node:net";
import { silentLogger } from "@vigie/core/log";
import type { FastifyInstance } from "fastify";
import { afterEach, describe, test } from "vitest";
import { createHealth } from "../health.ts";
import { createMetrics } from "../metrics.ts";
import { createRequestLog } from "./request-log.ts";
import { createHttp, type HttpOptions } from "./server.ts";

const opened: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((app) => app.close()));
});

function httpApp(overrides: Partial<HttpOptions> = {}) {
  const lines: string[] = [];
  const health = createHealth("test");
  const sink = { write: (line: string) => void lines.push(line), flush: async () => {} };
  const app = createHttp({
    title: "Test",
    description: "for tests",
    version: "1",
    log: silentLogger,
    requestLog: createRequestLog({ service: "test", clock: () => 0, sink }),
    metrics: createMetrics("test", { processMetrics: false }),
    health: health.report,
    allowedOrigins: ["https://*.molam.sn"],
    trustedProxies: [],
    bodyMaxBytes: 1_024,
    ...overrides,
  });
  app.register(async (scope) => {
    scope.get("/users/:id/sessions", async () => ({}));
    scope.delete("/users/:id", async () => ({}));
  });
  opened.push(app);
  return { app, lines, health };
}

const portOf = (app: FastifyInstance): number => Number(new URL(app.listeningOrigin).port);

describe("unknown routes", () => {
  test("a path that nobody serves is a problem document", async () => {
    const response = await httpApp().app.inject("/nowhere?secret=1");
    assert.equal(response.statusCode, 404);
    assert.equal(response.headers["content-type"], "application/problem+json");
    assert.equal(response.json().code, "VIG_ROUTE_UNKNOWN");
    assert.equal(response.json().detail, "no route GET /nowhere");
  });

  test("a body sent to nowhere is not read", async () => {
    const payload = "x".repeat(5_000);
    const response = await httpApp().app.inject({ method: "POST", url: "/nowhere", payload });
    assert.equal(response.statusCode, 404);
  });

  test("another method of a known path names what it takes", async () => {
    const { app } = httpApp();
    const response = await app.inject({ method: "POST", url: "/users/u-1/sessions" });
    assert.equal(response.statusCode, 405);
    assert.equal(response.headers.allow, "GET, HEAD");
    const other = await app.inject({ method: "GET", url: "/users/u-1" });
    assert.equal(other.headers.allow, "DELETE");
  });

  test("a path that is no URL is a problem document too", async () => {
    const response = await httpApp().app.inject("/users/%zz/sessions");
    assert.equal(response.statusCode, 400);
    assert.equal(response.headers["content-type"], "application/problem+json");
    assert.equal(response.json().code, "VIG_REQUEST_INVALID");
    assert.ok(response.headers["strict-transport-security"]);
  });

  test("what is no HTTP at all is answered and hung up on", async () => {
    const { app } = httpApp();
    await app.listen({ host: "127.0.0.1", port: 0 });
    const socket = connect(portOf(app), "127.0.0.1");
    socket.write("NONSENSE\r\n\r\n");
    let text = "";
    for await (const chunk of socket) text += chunk;
    assert.match(text, /^HTTP\/1\.1 400 /);
    const problem = JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));
    assert.equal(problem.code, "VIG_REQUEST_INVALID");
  });
});

describe("health and metrics, without a token", () => {
  test("OBS-05, OBS-06: all four paths answer, with each part", async () => {
    const { app, health } = httpApp();
    health.set("kafka", true);
    for (const path of ["/health", "/api/health"]) {
      const { status, parts } = (await app.inject(path)).json();
      assert.equal(status, "healthy");
      assert.equal(parts.kafka.status, "up");
    }
    assert.equal((await app.inject("/healthz")).statusCode, 200);
    assert.deepEqual((await app.inject("/livez")).json(), { status: "alive" });
  });

  test("a needed part that is down makes it unready, not dead", async () => {
    const { app, health } = httpApp();
    health.set("kafka", false, "no answer");
    assert.equal((await app.inject("/health")).statusCode, 503);
    assert.deepEqual((await app.inject("/healthz")).json().down, ["kafka"]);
    assert.equal((await app.inject("/livez")).statusCode, 200);
  });

  test("OBS-01, OBS-04: requests are counted by pattern, not by path", async () => {
    const { app } = httpApp();
    await app.inject("/users/u-1/sessions");
    await app.inject("/users/u-2/sessions");
    await app.inject("/who/knows");
    const text = (await app.inject("/metrics")).body;
    const pattern = 'method="GET",route="/users/:id/sessions",status="200"';
    assert.ok(text.includes(`http_requests_total{${pattern}} 2`), text);
    assert.ok(text.includes('route="unknown",status="404"} 1'), text);
    assert.ok(!text.includes("u-1"));
  });
});

test("OBS-10, PRV-12: one line a request, with the pattern and nobody's data", async () => {
  const { app, lines } = httpApp();
  await app.inject({ url: "/users/u-1/sessions?x=secret", headers: { "user-agent": "Mozilla" } });
  await app.close();
  assert.equal(lines.length, 1);
  assert.partialDeepStrictEqual(JSON.parse(lines[0] ?? ""), {
    method: "GET",
    route: "/users/:id/sessions",
    status: 200,
    event: "request",
  });
  for (const personal of ["u-1", "secret", "Mozilla", "127.0.0.1"]) {
    assert.ok(!lines[0]?.includes(personal), personal);
  }
});

describe("request ids", () => {
  test("a plain one of the caller is kept, another is not", async () => {
    const { app } = httpApp();
    const idOf = async (given: string) =>
      (await app.inject({ url: "/livez", headers: { "x-request-id": given } })).headers[
        "x-request-id"
      ];
    assert.equal(await idOf("abc-1.2_X"), "abc-1.2_X");
    assert.notEqual(await idOf('a"b'), 'a"b');
    assert.notEqual(await idOf("x".repeat(65)), "x".repeat(65));
  });

  test("two requests never share one", async () => {
    const { app } = httpApp();
    const ids = await Promise.all(
      Array.from({ length: 50 }, async () => (await app.inject("/livez")).headers["x-request-id"]),
    );
    assert.equal(new Set(ids).size, 50);
  });
});

test("SEC-06: every answer carries the security headers", async () => {
  const { app } = httpApp();
  for (const url of ["/livez", "/nowhere"]) {
    const { headers } = await app.inject(url);
    assert.equal(headers["content-security-policy"], "default-src 'none';frame-ancestors 'none'");
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["cache-control"], "no-store");
    assert.match(String(headers["strict-transport-security"]), /max-age=31536000/);
    assert.equal(headers["x-powered-by"], undefined);
  }
});

describe("SEC-05: browsers", () => {
  const preflight = (origin: string) => ({
    method: "OPTIONS" as const,
    url: "/users/u-1",
    headers: { origin, "access-control-request-method": "DELETE" },
  });

  test("an allowed origin gets its answer", async () => {
    const { app } = httpApp();
    const response = await app.inject(preflight("https://pay.molam.sn"));
    assert.equal(response.statusCode, 204);
    assert.equal(response.headers["access-control-allow-origin"], "https://pay.molam.sn");
    assert.match(String(response.headers["access-control-allow-headers"]), /authorization/);
    assert.equal(response.headers["access-control-allow-credentials"], undefined);
  });

  test("another origin gets nothing", async () => {
    const { app } = httpApp();
    const response = await app.inject(preflight("https://evil.example"));
    assert.equal(response.headers["access-control-allow-origin"], undefined);
  });
});

describe("SEC-12: the description of the API", () => {
  test("is OpenAPI 3.1 with the routes", async () => {
    const document = (await httpApp().app.inject("/docs/json")).json();
    assert.equal(document.openapi, "3.1.0");
    assert.ok(document.paths["/users/{id}/sessions"].get);
    assert.equal(document.components.securitySchemes.bearer.scheme, "bearer");
  });

  test("is shown as pages that may load their own scripts", async () => {
    const response = await httpApp().app.inject("/docs");
    assert.equal(response.statusCode, 200);
    assert.match(String(response.headers["content-security-policy"]), /script-src 'self'/);
  });
});

test("closing ends kept connections as soon as they are idle", async () => {
  const { app } = httpApp();
  const answer = Promise.withResolvers<void>();
  app.get("/slow", async () => {
    await answer.promise;
    return {};
  });
  await app.listen({ host: "127.0.0.1", port: 0 });
  const socket = connect(portOf(app), "127.0.0.1");
  socket.write("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  await new Promise((resolve) => app.server.once("request", resolve));
  const closed = app.close();
  answer.resolve();
  let text = "";
  for await (const chunk of socket) text += chunk;
  await closed;
  assert.match(text, /^HTTP\/1\.1 200 /);
});
