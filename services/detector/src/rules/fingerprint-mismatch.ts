import type { PolicyDocument } from "@vigie/core/policy";
import { compareSignals } from "#enrich/signals";
import type { Reader, Writer } from "#state/bytes";
import { type Id, readId, sameId, writeId } from "#state/id";
import { isPrintOf, type Print, printOf, readPrint, signalsOf, writePrint } from "#state/print";
import {
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
  severity: "HIGH",
  riskScore: 70,
};

/** A device as it was last seen. */
export interface KnownDevice {
  readonly deviceId: Id;
  readonly atMs: number;
  /** It was found changed; the same signals are not told of again. */
  readonly told: boolean;
  readonly print: Print;
}

/** The devices of a user, the one last seen first. */
export type Devices = readonly KnownDevice[];

/** More devices than people use; beyond it the one not seen for longest is forgotten. */
export const DEVICES_MAX = 8;
/** Stands for a device without an id; only a producer's own comparison counts for it. */
const UNNAMED = "";

export function step(
  devices: Devices,
  event: EnrichedEvent,
  policy: PolicyDocument,
): Step<Devices> {
  const { device, kind } = event;
  if (device === null || (kind !== "login_success" && kind !== "heartbeat")) return quiet(devices);
  const known = devices.find(({ deviceId }) => sameId(deviceId, device.id ?? UNNAMED));
  const { signals } = device;
  const silent = isEmpty(signals);
  if (silent && device.similarity === null) return quiet(devices);

  const unchanged = known !== undefined && (silent || isPrintOf(known.print, signals));
  const judged = judge(known, device, { unchanged, atMs: event.atMs });
  const mismatch = judged !== null && judged.similarity < policy.fp_mismatch_tolerance.score_min;
  const isLate = known !== undefined && event.atMs < known.atMs;
  const state = isLate
    ? devices
    : toFront(devices, known, {
        deviceId: known?.deviceId ?? device.id ?? UNNAMED,
        atMs: event.atMs,
        told: mismatch,
        print: unchanged ? known.print : printOf(signals),
      });
  if (!mismatch || (unchanged && known.told)) return quiet(state);
  return { state, findings: [finding(event, judged, policy)] };
}

function isEmpty(signals: object): boolean {
  for (const _name in signals) return false;
  return true;
}

interface Judgement {
  readonly similarity: number;
  readonly source: "producer" | "detector";
  readonly changed: readonly string[];
}

/** The producer's comparison, else our own with what is known of the device; null when there is nothing to compare. */
function judge(
  known: KnownDevice | undefined,
  device: EventDevice,
  { unchanged, atMs }: { readonly unchanged: boolean; readonly atMs: number },
): Judgement | null {
  const { similarity } = device;
  if (known === undefined || unchanged || device.id === null) {
    return similarity === null ? null : { similarity, source: "producer", changed: [] };
  }
  const kept = signalsOf(known.print);
  const given = signalsOf(printOf(device.signals));
  // A late event is the older side: its lower version is no fall.
  const own = atMs < known.atMs ? compareSignals(given, kept) : compareSignals(kept, given);
  if (similarity !== null) return { similarity, source: "producer", changed: own?.changed ?? [] };
  return own && { ...own, source: "detector" };
}

function toFront(devices: Devices, known: KnownDevice | undefined, newest: KnownDevice): Devices {
  const others = devices.filter((device) => device !== known);
  return [newest, ...others.slice(0, DEVICES_MAX - 1)];
}

function finding(event: EnrichedEvent, judged: Judgement, policy: PolicyDocument): Finding {
  const { score_min: limit } = policy.fp_mismatch_tolerance;
  // Cut, not rounded: 0.849 is not the 0.85 that would have done.
  const similarity = (Math.floor(judged.similarity * 100) / 100).toFixed(2);
  const changed = judged.changed.join(",");
  const what = changed === "" ? "" : ` (changed: ${judged.changed.join(", ")})`;
  return {
    sessionId: event.sessionId,
    occurredAtMs: event.atMs,
    causes: [event.id],
    identity: [event.id],
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

function write(writer: Writer, devices: Devices): void {
  writer.room(1);
  writer.u8(devices.length);
  for (const { deviceId, atMs, told, print } of devices) {
    writeId(writer, deviceId);
    writer.varint(atMs * 2 + (told ? 1 : 0));
    writePrint(writer, print);
  }
}

function read(reader: Reader): Devices {
  const devices: KnownDevice[] = [];
  const length = reader.u8();
  for (let i = 0; i < length; i++) {
    const deviceId = readId(reader);
    const packed = reader.varint();
    const told = packed % 2 === 1;
    devices.push({ deviceId, atMs: Math.floor(packed / 2), told, print: readPrint(reader) });
  }
  return devices;
}

export const fingerprintMismatch: Rule<Devices> = { meta, initial: [], step, write, read };
