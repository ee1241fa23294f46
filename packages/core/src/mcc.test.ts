import { expect, test } from "vitest";
import { countriesOfMcc } from "./mcc.ts";

test.each([
  [608, ["SN"]],
  [612, ["CI"]],
  [620, ["GH"]],
  [621, ["NG"]],
  [208, ["FR"]],
  [340, ["GP", "MQ", "GF", "BL", "MF"]],
  [425, ["IL", "PS"]],
])("ANO-12: a SIM of MCC %i is from %j", (mcc, countries) => {
  expect(countriesOfMcc(mcc)).toEqual(countries);
});

test("a code that no country has is of none", () => {
  for (const mcc of [0, 200, 901, 999]) expect(countriesOfMcc(mcc)).toEqual([]);
});

test("every code of a country is three digits in the range of its continent", () => {
  const codes = Array.from({ length: 1_000 }, (_, mcc) => mcc).filter(
    (mcc) => countriesOfMcc(mcc).length > 0,
  );
  expect(codes.length).toBeGreaterThan(220);
  for (const mcc of codes) {
    expect(mcc).toBeGreaterThanOrEqual(202);
    expect(mcc).toBeLessThanOrEqual(750);
    for (const country of countriesOfMcc(mcc)) expect(country).toMatch(/^[A-Z]{2}$/);
  }
});
