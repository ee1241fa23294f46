import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Candidates, decide, methods } from "./verdict.ts";

const none: Candidates = { phone: null, sim: null, ip: null };
const said = (given: Partial<Candidates>): Candidates => ({ ...none, ...given });

describe("GEO-14: the strongest source counts", () => {
  test.each([
    ["all agree", said({ phone: ["SN"], sim: ["SN"], ip: ["SN"] }), "SN", "phone"],
    ["a phone number before an address", said({ phone: ["SN"], ip: ["FR"] }), "SN", "phone"],
    ["a SIM before an address", said({ sim: ["SN"], ip: ["FR"] }), "SN", "sim"],
    ["an address alone", said({ ip: ["FR"] }), "FR", "ip"],
    ["a phone number that says nothing", said({ phone: [], sim: ["GH"] }), "GH", "sim"],
    ["nothing that says anything", said({ phone: [], sim: [], ip: [] }), null, null],
    ["nothing at all", none, null, null],
  ] as const)("%s", (_name, candidates, country, method) => {
    expect(decide(candidates)).toMatchObject({ country, method });
  });
});

describe("a source may mean several countries", () => {
  const antilles = ["GP", "MQ", "GF", "BL", "MF"];

  test("the first of them, while nothing else is known", () => {
    expect(decide(said({ sim: antilles })).country).toBe("GP");
  });

  test("a weaker source chooses among them, and nothing disagrees", () => {
    expect(decide(said({ sim: antilles, ip: ["MQ"] }))).toEqual({
      country: "MQ",
      method: "sim",
      mismatch: [],
    });
  });

  test("each weaker source chooses among what is left", () => {
    const candidates = said({ phone: ["US", "CA", "PR"], sim: ["US", "PR"], ip: ["PR"] });
    expect(decide(candidates).country).toBe("PR");
  });

  test("one that disagrees changes nothing and is told", () => {
    expect(decide(said({ sim: antilles, ip: ["SN"] }))).toEqual({
      country: "GP",
      method: "sim",
      mismatch: [{ methods: ["sim", "ip"], countries: [antilles, ["SN"]] }],
    });
  });
});

test("ANO-12: every two that have no country in common are told", () => {
  const { mismatch } = decide(said({ phone: ["SN"], sim: ["CI"], ip: ["FR"] }));
  expect(mismatch.map((one) => one.methods)).toEqual([
    ["phone", "sim"],
    ["phone", "ip"],
    ["sim", "ip"],
  ]);
});

const countries = fc.option(fc.subarray(["SN", "CI", "FR", "GP", "MQ"]), { nil: null });
const anyCandidates = fc.record({ phone: countries, sim: countries, ip: countries });

test("the country is one that its method means, and the strongest that says anything is the method", () =>
  fc.assert(
    fc.property(anyCandidates, (candidates) => {
      const { country, method } = decide(candidates);
      const speaking = methods.find((name) => (candidates[name] ?? []).length > 0) ?? null;
      expect(method).toBe(speaking);
      if (method === null) expect(country).toBeNull();
      else expect(candidates[method]).toContain(country);
    }),
  ));

test("what agrees with everything is chosen whenever there is such a country", () =>
  fc.assert(
    fc.property(anyCandidates, (candidates) => {
      const lists = methods.flatMap((name) => {
        const list = candidates[name] ?? [];
        return list.length === 0 ? [] : [list];
      });
      const common = lists.reduce((a, b) => a.filter((one) => b.includes(one)), lists[0] ?? []);
      if (common.length > 0) expect(common).toContain(decide(candidates).country);
    }),
  ));
