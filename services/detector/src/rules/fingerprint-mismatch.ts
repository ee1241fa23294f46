import type { PolicyDocument } from "@vigie/core/policy";
import { compareSignals } from "#enrich/signals";
import { Devices, type KnownDevice, UNNAMED } from "#state/devices";
import { keptId } from "#state/id";
import {
  comparedWith,
  isEmptyPrint,
  isPrintOf,
  isPrintOfMap,
  type Print,
  printOf,
  signalsOf,
} from "#state/print";
import {
  causedBy,
  type EnrichedEvent,
  type EventDevice,
  type Finding,
  quiet,
  type Rule,
  type RuleMeta,
  type Step,
} from "./rule.ts";

export const meta: RuleMeta = {
  name: "fingerprint_mismatch",
  part: 2,
  version: "1",
  events: ["login_success", "heartbeat"],
  severity: "HIGH",
  riskScore: 70,
  settings: ["fp_mismatch_tolerance"],
};

export function step(
  devices: Devices,
  event: EnrichedEvent,
  policy: PolicyDocument,
): Step<Devices> {
  const { device } = event;
  if (device === null) return quiet(devices);
  const silent = isSilent(device);
  if (silent && device.similarity === null) return quiet(devices);

  const settled = devices.settled();
  const deviceId = keptId(device.id ?? UNNAMED);
  const known = settled.find(deviceId);
  // A device that told nothing yet is known by its id alone.
  const before = known !== null && !isEmptyPrint(known.print) ? known : null;
  const unchanged =
    known !== null && (silent || (before !== null && isUnchanged(before.print, device)));
  const judged = judge(before, device, { unchanged, atMs: event.atMs });
  const mismatch = judged !== null && judged.similarity < policy.fp_mismatch_tolerance.score_min;
  const isLate = known !== null && event.atMs < known.atMs;
  const state = isLate
    ? settled
    : settled.withFront(
        {
          deviceId: known?.deviceId ?? deviceId,
          atMs: event.atMs,
          told: mismatch,
          print: unchanged ? known.print : printOf(device.signals),
        },
        known,
      );
  if (!mismatch || (unchanged && known.told)) return quiet(state);
  return { state, findings: [finding(event, judged, policy)] };
}

function isSilent(device: EventDevice): boolean {
  if (device.unread?.isEmpty === false) return false;
  for (const _name in device.signals) return false;
  return true;
}

function isUnchanged(print: Print, device: EventDevice): boolean {
  const { unread } = device;
  return (unread && isPrintOfMap(print, unread)) || isPrintOf(print, device.signals);
}

interface Judgement {
  readonly similarity: number;
  readonly source: "producer" | "detector";
  readonly changed: readonly string[];
}

/** The producer's comparison, else our own with what is known of the device; null when there is nothing to compare. */
function judge(
  known: KnownDevice | null,
  device: EventDevice,
  { unchanged, atMs }: { readonly unchanged: boolean; readonly atMs: number },
): Judgement | null {
  const { similarity } = device;
  if (known === null || unchanged || device.id === null) {
    return similarity === null ? null : { similarity, source: "producer", changed: [] };
  }
  const [before, now] = [signalsOf(known.print), signalsOf(printOf(device.signals))];
  const [kept, given] = [comparedWith(before, now), comparedWith(now, before)];
  // A late event is the older side: its lower version is no fall.
  const own = atMs < known.atMs ? compareSignals(given, kept) : compareSignals(kept, given);
  if (similarity !== null) return { similarity, source: "producer", changed: own?.changed ?? [] };
  return own && { ...own, source: "detector" };
}

function finding(event: EnrichedEvent, judged: Judgement, policy: PolicyDocument): Finding {
  const { score_min: limit } = policy.fp_mismatch_tolerance;
  // Cut, not rounded: 0.849 is not the 0.85 that would have done. 0.58 * 100 is a little less than 58.
  const similarity = (Math.floor(judged.similarity * 100 + 1e-9) / 100).toFixed(2);
  const changed = judged.changed.join(",");
  const what = changed === "" ? "" : ` (changed: ${judged.changed.join(", ")})`;
  return {
    ...causedBy(event),
    evidence: {
      similarity,
      score_min: String(limit),
      source: judged.source,
      ...(changed === "" ? {} : { changed }),
    },
    explanation:
      `The fingerprint is ${similarity} similar to the known one of this device${what}; ` +
      `with ${limit} or more it would not have fired.`,
  };
}

export const fingerprintMismatch: Rule<Devices> = {
  meta,
  initial: Devices.none,
  step,
  write: (writer, devices) => devices.write(writer),
  read: Devices.read,
};
