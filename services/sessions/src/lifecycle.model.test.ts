import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { anyPolicy, anyStep, type Step, take, worldOf } from "./model/steps.ts";

/** Full runs take the variable that the whole suite knows. */
const isFull = process.env.VIGIE_TEST_FULL === "1";
const numRuns = isFull ? 10_000 : 300;
/** 10,000 runs take a minute where two cores do little else. */
const FULL_TIMEOUT_MS = 900_000;

const history = fc.array(anyStep, { maxLength: 60, size: "max" });

type Fault = (step: Step) => Step;

/** `fault` changes what the service is fed, not the model. */
const property = (fault?: Fault) =>
  fc.property(anyPolicy, history, (policy, steps) => {
    const world = worldOf(policy);
    for (const step of steps) take(world, step, fault);
  });

test(
  "HBT-02, HBT-03, REV-04, REV-05, POL-10, ANO-12: the service agrees with the plain model at every step",
  { timeout: FULL_TIMEOUT_MS },
  () => fc.assert(property(), { numRuns }),
);

const faults: Readonly<Record<string, Fault>> = {
  "spares nobody": (step) => ("keptId" in step ? { ...step, keptId: null } : step),
  "takes a command's time for that of its arrival": (step) =>
    step.do === "command" ? { ...step, lateMs: 0 } : step,
  "takes an epoch for an earlier one": (step) =>
    step.do === "epoch" ? { ...step, lateMs: step.lateMs + 6_000 } : step,
  "takes every second factor for one of now": (step) =>
    step.do === "factor" ? { ...step, lateMs: 0 } : step,
  "does not know a command again": (step) =>
    step.do === "command" ? { ...step, id: `${step.id}-${JSON.stringify(step)}` } : step,
  "takes the time of a login for that of its arrival": (step) =>
    step.do === "login" ? { ...step, lateMs: 0 } : step,
};

for (const [name, fault] of Object.entries(faults)) {
  test(`the model finds a service that ${name}`, () => {
    const { failed } = fc.check(property(fault), { numRuns: 200, endOnFailure: true });
    assert.ok(failed);
  });
}
