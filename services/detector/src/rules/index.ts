import { bruteforce } from "./bruteforce.ts";
import { fingerprintMismatch } from "./fingerprint-mismatch.ts";
import { impossibleTravel } from "./impossible-travel.ts";
import { loginRisk } from "./login-risk.ts";
import type { AnyRule } from "./rule.ts";

/** Every rule of the detector. A new one is a file and a line here. */
export const rules: readonly AnyRule[] = [
  impossibleTravel,
  fingerprintMismatch,
  bruteforce,
  loginRisk,
];
