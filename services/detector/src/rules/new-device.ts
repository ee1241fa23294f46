import { Devices } from "#state/devices";
import { keptId } from "#state/id";
import { noPrint } from "#state/print";
import {
  causedBy,
  type EnrichedEvent,
  quiet,
  type Rule,
  type RuleMeta,
  type Step,
} from "./rule.ts";

/** Shares the devices of fingerprint_mismatch, and must come before it: afterwards every device is known. */
export const meta: RuleMeta = {
  name: "new_device",
  part: 2,
  version: "1",
  events: ["login_success", "heartbeat"],
  severity: "LOW",
  riskScore: 25,
  settings: [],
};

export function step(devices: Devices, event: EnrichedEvent): Step<Devices> {
  const given = event.device?.id ?? "";
  if (given === "" || devices.isInFront(given)) return quiet(devices);
  const deviceId = keptId(given);
  const settled = devices.settled();
  if (settled.find(deviceId) !== null) return quiet(devices);
  const known = settled.namedCount();
  const device = { deviceId, atMs: event.atMs, told: false, print: noPrint };
  const state = settled.withFront(device, null);
  if (known === 0) return quiet(state);
  return {
    state,
    findings: [
      {
        ...causedBy(event),
        evidence: { known_devices: String(known), channel: event.channel },
        explanation:
          `The device is none of the ${known} that the user is known with; ` +
          `with one of these, or as the user's first, it would not have fired.`,
      },
    ],
  };
}

export const newDevice: Rule<Devices> = {
  meta,
  initial: Devices.none,
  step,
  write: (writer, devices) => devices.write(writer),
  read: Devices.read,
};
