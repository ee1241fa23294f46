import { type Address, type GeoIp, unknownAddress } from "@vigie/geoip/geoip";
import type { Place } from "@vigie/geoip/place";
import type { TextMap } from "@vigie/schemas/codec-core";
import type { Channel, Device, Fingerprint, Location, Network, Sim } from "@vigie/schemas/types";
import type { EnrichedEvent, EventDevice, EventKind, EventSim } from "#rules/rule";
import type { Habits } from "#state/habits";
import type { Population } from "#state/population";
import { PRECISION_MAX, type Precision } from "#state/precision";
import { coarsePlace, coarsePlaceOnce } from "./coarse-place.ts";
import { isOrigin, locateAddress, locateGiven } from "./locate.ts";
import { type Signals, type UserAgent, withUserAgent } from "./signals.ts";
import { simOf } from "./sim.ts";
import { type Traits, traitsOf } from "./traits.ts";

/** What the detector reads of an event of any input topic; what a contract does not have is missing. */
export interface RawEvent {
  readonly event_id: string;
  readonly tenant_id: string;
  readonly user_id: string;
  readonly occurred_at: number;
  readonly kind?: string;
  readonly session_id: string | null;
  readonly channel: Channel;
  /** Of logins and heartbeats; the other events do not tell. */
  readonly roles?: readonly string[];
  readonly network: Network | null;
  readonly device?: RawDevice | null;
  readonly location: Location | null;
  readonly sim?: Pick<Sim, "mcc"> | null;
  readonly geohash?: string | null;
}

type RawDevice = Pick<Device, "device_id"> & {
  readonly fingerprint:
    | (Pick<Fingerprint, "similarity"> & { readonly signals: TextMap | null })
    | null;
};

/** What enriching looks things up in. */
export interface Enrichment {
  readonly geoip: GeoIp;
  readonly userAgentOf: (header: string) => UserAgent;
}

/** What was known before an event, read when it is asked for. */
export interface Known {
  /** To what the user lets places be kept. */
  readonly precision: Precision;
  /** Of the user. */
  habits(): Habits;
  /** Of the tenant. */
  population(): Population;
}

/** Whether an event of this kind tells where the user was: an attacker's failed login must not move the victim. */
const isPosition: Readonly<Record<EventKind, boolean>> = {
  login_success: true,
  login_failure: false,
  logout: false,
  password_changed: false,
  heartbeat: true,
  mfa_challenge: false,
  mfa_success: true,
  mfa_failure: false,
  geo: true,
};

const noSignals: Signals = {};
const noRoles: readonly string[] = [];

/** An event with what the rules may ask of it, looked up when they do. */
export class LazyEvent implements EnrichedEvent {
  readonly kind: EventKind;
  private readonly raw: RawEvent;
  private readonly enrichment: Enrichment;
  private readonly known: Known;
  private where: Place | null | undefined;
  private from: Address | undefined;
  private client: EventDevice | null | undefined;

  constructor(kind: EventKind, raw: RawEvent, enrichment: Enrichment, known: Known) {
    this.kind = kind;
    this.raw = raw;
    this.enrichment = enrichment;
    this.known = known;
  }

  get id(): string {
    return this.raw.event_id;
  }

  get tenantId(): string {
    return this.raw.tenant_id;
  }

  get userId(): string {
    return this.raw.user_id;
  }

  get sessionId(): string | null {
    return this.raw.session_id;
  }

  get channel(): Channel {
    return this.raw.channel;
  }

  get atMs(): number {
    return this.raw.occurred_at;
  }

  get position(): Place | null {
    if (this.where === undefined) this.where = isPosition[this.kind] ? this.locate() : null;
    return this.where;
  }

  private locate(): Place | null {
    const place = this.locateFinely();
    const { precision } = this.known;
    if (precision === PRECISION_MAX || place === null) return place;
    return place.isGiven ? coarsePlace(place, precision) : coarsePlaceOnce(place, precision);
  }

  /** A given location counts before the address. */
  private locateFinely(): Place | null {
    const { location, geohash, channel, sim } = this.raw;
    if (location !== null) {
      const given = locateGiven(location, geohash ?? null, () => this.address);
      if (given !== null) return given;
    }
    return locateAddress(this.address, channel, sim ? simOf(sim.mcc).countries : null);
  }

  get address(): Address {
    if (this.from === undefined) {
      const ip = this.raw.network?.ip;
      this.from = ip ? this.enrichment.geoip.lookup(ip) : unknownAddress;
    }
    return this.from;
  }

  get givenCountry(): string | null {
    const { location } = this.raw;
    if (location === null || location.source === "IP" || isOrigin(location)) return null;
    return location.country;
  }

  get boughtCountry(): string | null {
    const { location } = this.raw;
    return location !== null && isOrigin(location) ? location.country : null;
  }

  get sim(): EventSim | null {
    const { sim } = this.raw;
    return sim ? simOf(sim.mcc) : null;
  }

  get roles(): readonly string[] {
    return this.raw.roles ?? noRoles;
  }

  get habits(): Habits {
    return this.known.habits();
  }

  get population(): Population {
    return this.known.population();
  }

  get traits(): Traits {
    const { network } = this.raw;
    return traitsOf({
      ip: network?.ip ?? null,
      address: this.address,
      userAgent: network?.user_agent ?? null,
      client: this.userAgent,
    });
  }

  get userAgent(): UserAgent | null {
    const header = this.raw.network?.user_agent;
    return header ? this.enrichment.userAgentOf(header) : null;
  }

  get device(): EventDevice | null {
    if (this.client === undefined) {
      const { device } = this.raw;
      this.client = device ? new LazyDevice(device, this) : null;
    }
    return this.client;
  }
}

class LazyDevice implements EventDevice {
  readonly id: string | null;
  readonly similarity: number | null;
  readonly unread: TextMap | null;
  private readonly event: LazyEvent;

  constructor({ device_id, fingerprint }: RawDevice, event: LazyEvent) {
    this.id = device_id;
    this.similarity = fingerprint?.similarity ?? null;
    this.unread = fingerprint?.signals ?? null;
    this.event = event;
  }

  get signals(): Signals {
    const signals = this.unread?.toObject() ?? noSignals;
    const complete = signals.os !== undefined && signals.browser !== undefined;
    return complete ? signals : withUserAgent(signals, this.event.userAgent);
  }
}
