import { defaultPolicy, overlayPolicy, type RuleSwitch } from "@vigie/core/policy";
import { describe, expect, test } from "vitest";
import type { Finding } from "../finding.ts";
import { anomalyOf } from "./anomalies.ts";

const finding: Finding = {
  kind: "concurrent_sessions",
  sessionId: "s-1",
  scope: { channel: "MOBILE", roles: [] },
  occurredAtMs: 1_000,
  causes: ["event-1"],
  evidence: {},
  explanation: "",
};
const modeWith = (own: RuleSwitch): string | undefined => {
  const document = overlayPolicy(defaultPolicy, { rules: { concurrent_sessions: own } });
  const policy = { version: 3, document };
  return anomalyOf(finding, { tenantId: "acme", userId: "u-1", policy, nowMs: 2_000 })?.mode;
};

describe("ANO-17: outside its share of the users", () => {
  test("a rule in force is told of in shadow", () => {
    expect(modeWith({})).toBe("ENFORCE");
    expect(modeWith({ share: 100 })).toBe("ENFORCE");
    expect(modeWith({ share: 0 })).toBe("SHADOW");
  });

  test("a rule in shadow is not told of at all", () => {
    expect(modeWith({ mode: "SHADOW" })).toBe("SHADOW");
    expect(modeWith({ mode: "SHADOW", share: 0 })).toBeUndefined();
  });
});
