import { bruteforce } from "./bruteforce.ts";
import { countryChange } from "./country-change.ts";
import { countryMismatch } from "./country-mismatch.ts";
import { fingerprintMismatch } from "./fingerprint-mismatch.ts";
import { geoBlock } from "./geo-block.ts";
import { impossibleTravel } from "./impossible-travel.ts";
import { loginRisk } from "./login-risk.ts";
import { mfaFatigue } from "./mfa-fatigue.ts";
import { newDevice } from "./new-device.ts";
import type { AnyRule } from "./rule.ts";
import { unusualChannel } from "./unusual-channel.ts";
import { vpnDetected } from "./vpn-detected.ts";

/** Every rule of the detector. A new one is a file and a line here; those that share a part step in this order. */
export const rules: readonly AnyRule[] = [
  impossibleTravel,
  newDevice,
  fingerprintMismatch,
  bruteforce,
  mfaFatigue,
  geoBlock,
  countryMismatch,
  countryChange,
  unusualChannel,
  vpnDetected,
  loginRisk,
];
