import { type Traits, traitsOf } from "../src/enrich/traits.ts";
import { userAgentParser } from "../src/enrich/user-agent.ts";
import type { Random } from "../src/testing/random.ts";

/** A network operator: its part of the country's people and how many /24 networks its phones come out of. */
interface Carrier {
  readonly asn: number;
  readonly country: string;
  readonly share: number;
  readonly networks: number;
  readonly first: number;
}

/** Numbers that make a tenant of West Africa; assumptions, none of them measured. */
const carriers: readonly Carrier[] = [
  { asn: 8346, country: "SN", share: 0.47, networks: 256, first: 41 },
  { asn: 37196, country: "SN", share: 0.2, networks: 96, first: 102 },
  { asn: 37649, country: "SN", share: 0.13, networks: 64, first: 154 },
  { asn: 29571, country: "CI", share: 0.08, networks: 192, first: 160 },
  { asn: 36974, country: "CI", share: 0.05, networks: 96, first: 105 },
  { asn: 3215, country: "FR", share: 0.04, networks: 1_024, first: 90 },
  { asn: 12322, country: "FR", share: 0.03, networks: 1_024, first: 82 },
];
/** Networks of the rest of the world, where naive attackers and travellers come from. */
const FOREIGN_COUNTRIES = ["US", "NG", "GH", "ML", "MA", "RU", "CN", "IN", "BR", "DE", "GB", "VN"];
const HOSTING_ASNS = [14061, 16276, 24940, 9009, 20473];
const models = 60;
/** Each model half as common as the one of half its rank. Source: Zipf's law. */
const rank = (random: Random, count: number): number => Math.floor(count ** random()) - 1;
const RELEASE_DAYS = 28;
const MOBILE_NETWORKS_OF_ONE = 12;

export interface Client {
  /** -1: a desktop. */
  readonly model: number;
  /** Days behind the release of a browser's version. */
  readonly lagDays: number;
}

export interface Person {
  readonly carrier: Carrier;
  /** The networks that this person's phone comes out of. */
  readonly networks: readonly number[];
  /** The network at home or at work, of another operator perhaps; null: none. */
  readonly fixed: { readonly carrier: Carrier; readonly network: number } | null;
  readonly loginsADay: number;
  phone: Client;
  readonly desktop: Client | null;
  /** Abroad until this day. */
  away: { readonly country: string; readonly asn: number; readonly untilDay: number } | null;
}

/** Synthetic users of one tenant, and the attackers that the literature tries a score with. */
export class People {
  private readonly random: Random;
  private readonly people: readonly Person[];
  private readonly userAgentOf = userAgentParser();
  private day = 0;

  constructor(random: Random, count: number) {
    this.random = random;
    this.people = Array.from({ length: count }, () => this.person());
  }

  /** Logins of one day, in random order of the people. */
  *loginsOf(day: number): Iterable<{ readonly person: Person; readonly traits: Traits }> {
    this.day = day;
    const { random } = this;
    for (const person of this.people) {
      // A phone is replaced every two to three years; one in a hundred weeks is spent abroad.
      if (random() < 1 / 900) person.phone = this.client();
      if (random() < 1 / 700) {
        const [country, asn] = [this.foreign(), 50_000 + this.below(400)];
        person.away = { country, asn, untilDay: day + 3 + this.below(10) };
      }
      for (let left = person.loginsADay; left > 0; left--) {
        if (random() < Math.min(1, left)) yield { person, traits: this.login(person) };
      }
    }
  }

  /** Knows the password alone: an address of anywhere, often a data centre's, and a common client. */
  naive = (): Traits => {
    const hosting = this.random() < 0.5;
    const asn = hosting ? (HOSTING_ASNS[this.below(5)] as number) : 50_000 + this.below(400);
    const network = this.below(65_536);
    return this.traits(network + 5 * 65_536, { asn, country: this.foreign() }, this.client());
  };

  /** Also knows the country, and takes an address there: of a carrier, or half the time of a data centre. */
  inCountry = ({ carrier }: Person): Traits => {
    const { country } = carrier;
    if (this.random() < 0.5) {
      const asn = 60_000 + this.below(3);
      return this.traits(6 * 65_536 + this.below(64), { asn, country }, this.client());
    }
    const local = carriers.filter((other) => other.country === country);
    const other = local[this.below(local.length)] as Carrier;
    return this.traits(this.anyNetwork(other), other, this.client());
  };

  /** Also knows the city, the browser and the device: the user's own client from a carrier of the user's country. */
  targeted = ({ carrier, phone }: Person): Traits => {
    const local = carriers.filter((other) => other.country === carrier.country);
    const other = this.random() < 0.5 ? carrier : (local[this.below(local.length)] as Carrier);
    return this.traits(this.anyNetwork(other), other, phone);
  };

  private person(): Person {
    const { random } = this;
    const carrier = carriers[shareAt(random())] as Carrier;
    const local = carriers.filter(({ country }) => country === carrier.country);
    const home = local[this.below(local.length)] as Carrier;
    return {
      carrier,
      networks: Array.from({ length: MOBILE_NETWORKS_OF_ONE }, () => this.anyNetwork(carrier)),
      fixed: random() < 0.4 ? { carrier: home, network: this.anyNetwork(home) } : null,
      loginsADay: Math.min(5, Math.exp(-1.2 + 1.1 * this.normal())),
      phone: this.client(),
      desktop: random() < 0.15 ? { ...this.client(), model: -1 } : null,
      away: null,
    };
  }

  private login(person: Person): Traits {
    const { random } = this;
    const { carrier, fixed, networks, desktop, away, phone } = person;
    const client = desktop !== null && random() < 0.3 ? desktop : phone;
    if (away !== null && this.day < away.untilDay) {
      return this.traits(7 * 65_536 + this.below(4_096), away, client);
    }
    if (fixed !== null && random() < 0.5) {
      return this.traits(fixed.network, fixed.carrier, client);
    }
    // One mobile login in twenty comes out of any network of the carrier.
    const usual = random() < 0.95;
    const network = usual ? networks[rank(random, networks.length)] : this.anyNetwork(carrier);
    return this.traits(network as number, carrier, client);
  }

  private client(): Client {
    return { model: rank(this.random, models), lagDays: this.below(3 * RELEASE_DAYS) };
  }

  private traits(
    network: number,
    address: { readonly asn: number; readonly country: string },
    { model, lagDays }: Client,
  ): Traits {
    const version = 140 + Math.floor((this.day + 3 * RELEASE_DAYS - lagDays) / RELEASE_DAYS);
    const system =
      model < 0 ? "Windows NT 10.0; Win64; x64" : `Linux; Android ${androidOf(model)}; M${model}`;
    const suffix = model < 0 ? "Safari/537.36" : "Mobile Safari/537.36";
    const userAgent = `Mozilla/5.0 (${system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 ${suffix}`;
    const ip = `${(network >>> 16) & 255}.${(network >>> 8) & 255}.${network & 255}.1`;
    const client = this.userAgentOf(userAgent);
    return traitsOf({ ip, address, userAgent, client });
  }

  /** Networks as numbers of 24 bits: each carrier's are its own. */
  private anyNetwork({ first, networks }: Carrier): number {
    return first * 65_536 + this.below(networks);
  }

  private foreign(): string {
    return FOREIGN_COUNTRIES[this.below(FOREIGN_COUNTRIES.length)] as string;
  }

  private below(count: number): number {
    return Math.floor(this.random() * count);
  }

  /** Source: the central limit theorem on twelve uniform numbers. */
  private normal(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.random();
    return sum;
  }
}

/** Which carrier has the person at this part of all, 0 up to 1. */
function shareAt(part: number): number {
  let rest = part;
  const at = carriers.findIndex(({ share }) => {
    rest -= share;
    return rest < 0;
  });
  return Math.max(at, 0);
}

const androidOf = (model: number): number => 11 + (model % 5);
