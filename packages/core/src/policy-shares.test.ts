import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isInShare, modeFor } from "./policy-shares.ts";

const anyUser = fc.record({ tenantId: fc.constant("acme"), userId: fc.uuid() });
const share = fc.double({ min: 0, max: 100, noNaN: true });

describe("a share of the users", () => {
  test("is drawn the same for ever: these very users are in it", () => {
    const ids = Array.from({ length: 12 }, (_, i) => `u-${i}`);
    const drawn = ids.filter((userId) => isInShare(25, { tenantId: "acme", userId }, "bruteforce"));
    expect(drawn).toEqual(["u-2", "u-4", "u-11"]);
  });

  test("holds whoever is in a smaller one", () => {
    fc.assert(
      fc.property(anyUser, share, share, (user, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        if (isInShare(less, user, "bruteforce")) {
          expect(isInShare(more, user, "bruteforce")).toBe(true);
        }
      }),
    );
  });

  test("nobody is in 0 %, everybody in 100 %", () => {
    fc.assert(
      fc.property(anyUser, (user) => {
        expect(isInShare(0, user, "bruteforce")).toBe(false);
        expect(isInShare(100, user, "bruteforce")).toBe(true);
      }),
    );
  });

  test("is as large as it says, whatever it is of, and of two things not the same users", () => {
    const users = Array.from({ length: 20_000 }, (_, i) => ({ tenantId: "t", userId: `u-${i}` }));
    const travel = users.filter((user) => isInShare(10, user, "impossible_travel"));
    const both = travel.filter((user) => isInShare(10, user, "bruteforce"));
    expect(travel.length / users.length).toBeCloseTo(0.1, 1.5);
    expect(both.length / users.length).toBeCloseTo(0.01, 2);
  });
});

describe("the mode of a rule for a user", () => {
  const user = { tenantId: "acme", userId: "u-1" };

  test("is the switch's, else the rule's own", () => {
    expect(modeFor(undefined, "bruteforce", user)).toBe("ENFORCE");
    expect(modeFor({}, "login_risk", user, "SHADOW")).toBe("SHADOW");
    expect(modeFor({ mode: "OFF" }, "bruteforce", user)).toBe("OFF");
    expect(modeFor({ mode: "ENFORCE" }, "login_risk", user, "SHADOW")).toBe("ENFORCE");
  });

  test("outside the share is one notch milder", () => {
    expect(modeFor({ share: 0 }, "bruteforce", user)).toBe("SHADOW");
    expect(modeFor({ share: 0, mode: "SHADOW" }, "bruteforce", user)).toBe("OFF");
    expect(modeFor({ share: 0, mode: "OFF" }, "bruteforce", user)).toBe("OFF");
    expect(modeFor({ share: 0 }, "login_risk", user, "SHADOW")).toBe("OFF");
    expect(modeFor({ share: 100 }, "bruteforce", user)).toBe("ENFORCE");
  });
});
