import assert from "node:assert/strict";
import { AggregatorRegistry, Counter, Histogram, Registry } from "prom-client";
import { test } from "vitest";
import { RequestMeter } from "./request-meter.ts";

const requests = [
  ["POST", "/v1/events/login", 202, 0.004],
  ["POST", "/v1/events/login", 202, 0.001],
  ["POST", "/v1/events/login", 400, 0.3],
  ["GET", "/health", 200, 12],
] as const;

function metered(): Registry {
  const registry = new Registry();
  const meter = new RequestMeter(registry);
  for (const [method, route, status, seconds] of requests) {
    meter.count(method, route, status, seconds);
  }
  return registry;
}

const sorted = (text: string): string[] => text.split("\n").filter(Boolean).sort();

test("it says exactly what the library's own metrics would say", async () => {
  const registry = new Registry();
  const registers = [registry];
  const labelNames = ["method", "route", "status"];
  const name = "http_requests_total";
  const total = new Counter({ name, help: "HTTP requests", labelNames, registers });
  const seconds = new Histogram({
    name: "http_request_seconds",
    help: "HTTP request time",
    labelNames,
    registers,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  });
  for (const [method, route, status, took] of requests) {
    total.inc({ method, route, status });
    seconds.observe({ method, route, status }, took);
  }
  // The order of labels does not matter: le comes first or last.
  const unordered = (line: string): string =>
    line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(",").sort().join(",")}}`);
  const ours = sorted(await metered().metrics()).map(unordered);
  const theirs = sorted(await registry.metrics()).map(unordered);
  assert.deepEqual(ours.sort(), theirs.sort());
});

test("workers' counts add up", async () => {
  const reports = await Promise.all([metered(), metered()].map((one) => one.getMetricsAsJSON()));
  const text = await AggregatorRegistry.aggregate(reports).metrics();
  const labels = 'method="POST",route="/v1/events/login",status="202"';
  assert.ok(text.includes(`http_requests_total{${labels}} 4`), text);
  assert.ok(text.includes(`http_request_seconds_count{${labels}} 4`), text);
});

test("a method that nobody knows is one label value", async () => {
  const registry = new Registry();
  const meter = new RequestMeter(registry);
  for (let index = 0; index < 100; index += 1) meter.count(`M${index}`, "unknown", 404, 0);
  assert.match(await registry.metrics(), /method="other",route="unknown",status="404"\} 100/);
});

test("paths in the place of patterns are found out", () => {
  const meter = new RequestMeter(new Registry());
  assert.throws(() => {
    for (let index = 0; index < 3_000; index += 1) meter.count("GET", `/users/${index}`, 200, 0);
  }, /routes are patterns/);
});
