import { expect, test } from "vitest";
import { countTests, summaryLine } from "./test-report.mjs";

const passed = { status: "passed", assertionResults: [{ status: "passed" }] };
const failed = { status: "failed", assertionResults: [{ status: "failed" }] };
const broken = { status: "failed", assertionResults: [] };

const report = (counts: object, testResults: object[]) => ({
  numPassedTests: 0,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  ...counts,
  testResults,
});

test("the line is the runner's own count", () => {
  const counts = countTests(report({ numPassedTests: 12 }, [passed]));
  expect(summaryLine(counts)).toBe("12 passed, 0 failed");
});

test("a file that does not load is a failure, though none of its tests ran", () => {
  const counts = countTests(report({ numPassedTests: 3, numFailedTests: 1 }, [failed, broken]));
  expect(summaryLine(counts)).toBe("3 passed, 2 failed");
});

test("skipped and unwritten tests are told when there are some", () => {
  const counts = countTests(
    report({ numPassedTests: 3, numPendingTests: 2, numTodoTests: 1 }, [passed]),
  );
  expect(summaryLine(counts)).toBe("3 passed, 0 failed, 3 skipped");
});

test("no report is a failure", () => {
  expect(summaryLine(countTests(null))).toBe("0 passed, 1 failed");
});
