import assert from "node:assert/strict";
import type {
  SessionAnomaly,
  SessionPolicy,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";
import { test } from "vitest";
import { DAKAR, MINUTE, PARIS } from "../support/events.ts";
import { TENANT } from "../support/pipeline.ts";
import { values } from "../support/read-model.ts";
import { testPipeline } from "../support/test-pipeline.ts";
import { until } from "../support/until.ts";

const URL = "/api/id/admin/sessions/policies";
/** Source: the promise of docs/operations.md. */
const IN_FORCE_MS = 1_000;

const { pipeline, events } = await testPipeline(["edge", "detector", "sessions", "audit-sink"]);

const headers = () => ({
  authorization: `Bearer ${pipeline.token({ sub: "console", scope: "id:admin" })}`,
  "content-type": "application/json",
});

async function change(document: object, version: number): Promise<Response> {
  return fetch(pipeline.service("edge").url + URL, {
    method: "PUT",
    headers: { ...headers(), "if-match": `"${version}"` },
    body: JSON.stringify(document),
  });
}

/**
 * Does something for one fresh user after another, until what comes of it is by the new policy.
 * Returns: how long after the answer the first of those began, ms.
 */
async function inForceAfter(
  act: (userId: string) => Promise<void>,
  isByNewPolicy: (userId: string) => Promise<boolean>,
): Promise<number> {
  const answeredMs = performance.now();
  const begun = new Map<string, number>();
  return until("something is decided by the new policy", async () => {
    const userId = `u-${begun.size}-${Math.round(answeredMs)}`;
    begun.set(userId, performance.now() - answeredMs);
    await act(userId);
    for (const [each, afterMs] of begun) if (await isByNewPolicy(each)) return afterMs;
    return null;
  });
}

/** Resolves when what was changed is carried: an edge that has just begun is then as one that has long been running. */
async function settled(version: number): Promise<void> {
  await until("the change is on its topic", async () => {
    const policies = await values<SessionPolicy>(pipeline, "id.session.policy");
    return policies.find((each) => each?.version === version);
  });
}

test("POL-05: within a second of the answer, sessions are kept and rules judge by the new policy", async () => {
  const document = {
    channels: { WEB: { idle_timeout: { minutes: 7 } } },
    max_failed_mfa_hour: { count: 1 },
  };
  const first = await until("the edge takes a change", async () => {
    const response = await change({}, 0);
    return response.status === 503 ? null : response;
  });
  assert.equal(first.status, 200, await first.clone().text());
  await settled(1);
  const answer = await change(document, 1);
  assert.equal(answer.status, 200, await answer.clone().text());
  assert.equal(answer.headers.get("etag"), '"2"');

  const [sessionsMs, detectorMs] = await Promise.all([
    inForceAfter(
      (userId) => pipeline.producer.send("id.login", [events.login({ userId, channel: "WEB" })]),
      async (userId) => {
        const states = await values<SessionState>(pipeline, "id.session.state");
        const state = states.find((each) => each?.user_id === userId);
        return state != null && state.idle_expires_at - state.last_seen_at === 7 * MINUTE;
      },
    ),
    inForceAfter(
      (userId) => {
        const fail = () => events.mfa({ userId, kind: "FAIL" });
        return pipeline.producer.send("id.mfa", [fail(), fail()]);
      },
      async (userId) => {
        const anomalies = await values<SessionAnomaly>(pipeline, "id.session.anomaly");
        return anomalies.some((each) => each?.user_id === userId && each.policy_version === 2);
      },
    ),
  ]);
  console.info(
    `in force after ${sessionsMs.toFixed(0)} ms (sessions), ${detectorMs.toFixed(0)} ms`,
  );
  assert.ok(sessionsMs < IN_FORCE_MS, `sessions: ${sessionsMs} ms`);
  assert.ok(detectorMs < IN_FORCE_MS, `detector: ${detectorMs} ms`);
});

test("POL-06: the change is in the audit trail, before and after", async () => {
  const payload = await until("it is audited", async () => {
    const { rows } = await pipeline.database.query<{ payload: string }>(
      "select payload::text from audit_log where action = 'policy.updated' and tenant_key = $1 and payload ->> 'version' = '2'",
      [TENANT],
    );
    return rows[0]?.payload;
  });
  assert.match(payload, /"after":\{"channels":\{"WEB"/);
  assert.match(payload, /"before":\{\}/);
});

test("a change that was answered goes out though the edge is killed at once, and none goes back", async () => {
  const edge = pipeline.service("edge");
  for (const version of [2, 3, 4]) {
    const answer = await until("the edge takes a change", async () => {
      const response = await change({ idle_timeout: { minutes: version } }, version);
      return response.status === 503 ? null : response;
    });
    assert.equal(answer.status, 200, await answer.clone().text());
    await edge.kill();
    await edge.start();
  }
  await settled(5);
  const policies = await values<SessionPolicy>(pipeline, "id.session.policy");
  const versions = policies.map((each) => each?.version ?? 0);
  assert.deepEqual(new Set(versions), new Set([1, 2, 3, 4, 5]));
  // What is on a compacted topic last is what it keeps.
  assert.equal(versions.at(-1), 5);
});

test("POL-07, POL-09: a country that is blocked by policy ends the session that comes from there, and no other", async () => {
  const blocked = await change({ blocked_countries: { countries: ["FR"] } }, 5);
  assert.equal(blocked.status, 200, await blocked.clone().text());
  await settled(6);
  await pipeline.producer.send("id.login", [
    events.login({ userId: "at-home", ...DAKAR }),
    events.login({ userId: "from-abroad", ...PARIS }),
  ]);
  const revoked = await until("the session is revoked", async () =>
    (await values<SessionRevoked>(pipeline, "id.session.revoked")).find(
      (each) => each?.user_id === "from-abroad",
    ),
  );
  assert.equal(revoked?.session_id, "s-from-abroad");
  assert.equal(revoked.reason, "policy:geo_block");
  const anomalies = await values<SessionAnomaly>(pipeline, "id.session.anomaly");
  const cause = anomalies.find((each) => each?.anomaly_id === revoked.anomaly_id);
  assert.deepEqual(
    [cause?.kind, cause?.severity, cause?.action, cause?.mode, cause?.evidence.country],
    ["geo_block", "CRITICAL", "BLOCK", "ENFORCE", "FR"],
  );
  assert.ok(anomalies.every((each) => each?.user_id !== "at-home"));
});
