import { expect, test } from "vitest";
import { refDestroyedBy } from "./erasure.ts";

const REF = "0b9c2f6e-7a1d-4c55-8f10-3d2a1b0c9e8f";

test("only the log's own leaf tells of a destroyed key", () => {
  const own = { emitter: "audit-sink", action: "subject.key_destroyed", payload: { ref: REF } };
  expect(refDestroyedBy(own)).toBe(REF);
  expect(refDestroyedBy({ ...own, action: "privacy.erasure_done" })).toBeNull();
  for (const payload of [{ ref: REF }, { ref: "no ref" }, {}, null, undefined]) {
    expect(refDestroyedBy({ ...own, emitter: "id.audit:audit-sink", payload })).toBeNull();
  }
});
