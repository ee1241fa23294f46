import type { PolicyDocument, RuleMode } from "@vigie/core/policy";
import type { Address } from "@vigie/geoip/geoip";
import type { Place } from "@vigie/geoip/place";
import type { AnomalyFinding, AnomalyRule } from "@vigie/schemas/anomaly";
import type { TextMap } from "@vigie/schemas/codec-core";
import type { Channel } from "@vigie/schemas/types";
import type { Signals, UserAgent } from "#enrich/signals";
import type { Traits } from "#enrich/traits";
import type { Habits } from "#state/habits";
import type { Id } from "#state/id";
import type { FreshLogin, Population } from "#state/population";
import type { PartCodec } from "#state/user-state";
import type { Stands } from "./recheck.ts";

export type EventKind =
  | "login_success"
  | "login_failure"
  | "logout"
  | "password_changed"
  | "heartbeat"
  | "mfa_challenge"
  | "mfa_success"
  | "mfa_failure"
  | "geo";

/** The device of an event, as its producer described it. */
export interface EventDevice {
  readonly id: string | null;
  /** 0..1, when the producer compared the fingerprint with this device's known one. */
  readonly similarity: number | null;
  /** The signals of the fingerprint; what it lacks of system and browser is filled from the user agent. */
  readonly signals: Signals;
  /** The fingerprint's signals alone, as they came, for who needs not know them one by one. */
  readonly unread?: TextMap | null;
}

/** Where the SIM of an event is from. */
export interface EventSim {
  /** Mobile country code. */
  readonly mcc: number;
  /** ISO 3166-1 alpha-2; several share a code. None: a code that no country has. */
  readonly countries: readonly string[];
}

/** What rules know of an event. Everything beyond the ids is looked up when it is first asked for. */
export interface EnrichedEvent {
  readonly id: string;
  readonly kind: EventKind;
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string | null;
  readonly channel: Channel;
  /** Event time. */
  readonly atMs: number;
  /** Where the user was; null when the event tells of no place, or of one that stands for nobody (a VPN's exit). */
  readonly position: Place | null;
  readonly device: EventDevice | null;
  readonly userAgent: UserAgent | null;
  /** What is known of the address that it came from. */
  readonly address: Address;
  /** The country that a producer says the user is in, unless that came of an address too; or null. */
  readonly givenCountry: string | null;
  /** The country of a SIM or phone number that a producer gave for a location: where they were bought; or null. */
  readonly boughtCountry: string | null;
  readonly sim: EventSim | null;
  /** Of logins and heartbeats; the other events do not tell. */
  readonly roles: readonly string[];
  /** What was known of the user before this event. */
  readonly habits: Habits;
  /** What is counted of a login. */
  readonly traits: Traits;
  /** What was counted of the tenant's logins before this event. */
  readonly population: Population;
}

export interface RuleMeta extends AnomalyRule {
  /** Names the rule's part in stored states: never reused. Rules that know the same share one. */
  readonly part: number;
  /** The kinds of events that it looks at; it costs nothing for others. */
  readonly events: readonly EventKind[];
  /** While no policy says otherwise. Default: ENFORCE. */
  readonly mode?: RuleMode;
  /** The parts of a policy that its step reads; it is tried anew only where one of them differs. Default: any may be. */
  readonly settings?: readonly (keyof PolicyDocument)[];
  /** Its state is the same under any policy that does not switch it off: only what it finds hangs on one. */
  readonly keepsAlike?: true;
}

/** What a rule found. */
export interface Finding extends AnomalyFinding {
  /** What makes it this finding and no other: the anomaly's id derives from it. */
  readonly identity: readonly string[];
}

/** Of a finding with one cause. */
export const causedBy = ({ id, sessionId, atMs }: EnrichedEvent) => ({
  sessionId,
  occurredAtMs: atMs,
  causes: [id],
  identity: [id],
});

/** What a step brings about. The same state as given means that nothing changed. */
export interface Step<S> {
  readonly state: S;
  readonly findings: readonly Finding[];
  /** What the tenant's population is to count. */
  readonly counted?: FreshLogin;
}

const nothing: readonly Finding[] = [];
/** Of a rule that is off. */
export const off: Step<unknown> = { state: undefined, findings: nothing };
/** Of a rule that keeps nothing of its own. */
export const noState: PartCodec<null> = { initial: null, write() {}, read: () => null };
/** Its quiet step. */
export const stateless: Step<null> = { state: null, findings: nothing };
export const quiet = <S>(state: S): Step<S> => ({ state, findings: nothing });

/** One detection: pure, so examples, shadow runs and replays need nothing else. */
export interface Rule<S> extends PartCodec<S> {
  readonly meta: RuleMeta;
  step(state: S, event: EnrichedEvent, policy: PolicyDocument): Step<S>;
  /** Of a rule that goes by data on addresses: what becomes of its anomalies when that data is replaced. */
  readonly stands?: Stands;
}

/** A rule among others, whose state only itself can read. */
// biome-ignore lint/suspicious/noExplicitAny: each rule's state is its own
export type AnyRule = Rule<any>;

export const idText = (id: Id): string => (typeof id === "string" ? id : id.toString());
