/**
 * Avro written by hand from the published contracts, as a producer in another language would: nothing of Vigie is
 * imported here, so that an error shared by our encoder and decoder would show.
 * Source: Avro 1.12 specification, binary encoding; Confluent wire format.
 */
class AvroWriter {
  readonly #parts: Buffer[] = [];

  long(value: number): void {
    // Zigzag over 64 bits, then 7 bits a byte, lowest first.
    let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
    const bytes: number[] = [];
    while (rest > 127n) {
      bytes.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.#parts.push(Buffer.from(bytes));
  }

  text(value: string): void {
    const bytes = Buffer.from(value, "utf8");
    this.long(bytes.length);
    this.#parts.push(bytes);
  }

  double(value: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    this.#parts.push(bytes);
  }

  /** A union of null and one type. */
  maybe<T>(value: T | null | undefined, write: (value: T) => void): void {
    this.long(value === null || value === undefined ? 0 : 1);
    if (value !== null && value !== undefined) write(value);
  }

  symbol(value: string, symbols: readonly string[]): void {
    this.long(symbols.indexOf(value));
  }

  texts(values: readonly string[]): void {
    if (values.length > 0) this.long(values.length);
    for (const value of values) this.text(value);
    this.long(0);
  }

  map(values: Readonly<Record<string, string>>): void {
    const entries = Object.entries(values);
    if (entries.length > 0) this.long(entries.length);
    for (const [name, value] of entries) {
      this.text(name);
      this.text(value);
    }
    this.long(0);
  }

  /** The value behind a zero byte and the schema id in four bytes. */
  framed(schemaId: number): Buffer {
    const head = Buffer.alloc(5);
    head.writeInt32BE(schemaId, 1);
    return Buffer.concat([head, ...this.#parts]);
  }
}

const CHANNELS = ["UNKNOWN", "MOBILE", "WEB", "USSD", "API"];
const USER_TYPES = ["UNKNOWN", "EXTERNAL", "INTERNAL"];
const LOGIN_KINDS = ["UNKNOWN", "AUTH_SUCCESS", "AUTH_FAIL", "LOGOUT", "PASSWORD_CHANGED"];
const MFA_KINDS = ["UNKNOWN", "CHALLENGE", "SUCCESS", "FAIL"];
const FACTORS = ["UNKNOWN", "TOTP", "SMS", "EMAIL", "PUSH", "PIN", "WEBAUTHN", "RECOVERY_CODE"];
const SOURCES = ["UNKNOWN", "GPS", "IP", "SIM", "PHONE", "USSD"];

export interface Surroundings {
  readonly ip?: string;
  readonly userAgent?: string;
  readonly deviceId?: string;
  readonly similarity?: number;
  readonly signals?: Readonly<Record<string, string>>;
  readonly lat?: number;
  readonly lon?: number;
  readonly country?: string;
  readonly city?: string;
}

interface Common extends Surroundings {
  readonly eventId: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly occurredAt: number;
  readonly channel?: string;
}

export interface LoginInput extends Common {
  readonly kind: string;
  readonly sessionId: string | null;
}

export interface HeartbeatInput extends Common {
  readonly sessionId: string;
}

export interface MfaInput extends Common {
  readonly kind: string;
  readonly sessionId: string | null;
}

function head(out: AvroWriter, event: Common): void {
  out.text(event.eventId);
  out.text(event.tenantId);
  out.text(event.userId);
  out.long(event.occurredAt);
}

function surroundings(out: AvroWriter, event: Common): void {
  const { ip, userAgent, deviceId, similarity, signals, lat, lon } = event;
  const network = ip === undefined && userAgent === undefined ? null : { ip, userAgent };
  out.maybe(network, () => {
    out.maybe(ip, (value) => out.text(value));
    out.maybe(userAgent, (value) => out.text(value));
  });
  out.maybe(deviceId, (id) => {
    out.maybe(id, (value) => out.text(value));
    const print = similarity === undefined && signals === undefined ? null : true;
    out.maybe(print, () => {
      out.maybe(null, () => {});
      out.maybe(similarity, (value) => out.double(value));
      out.map(signals ?? {});
    });
  });
  out.maybe(lat, () => {
    out.symbol("GPS", SOURCES);
    out.maybe(lat, (value) => out.double(value));
    out.maybe(lon, (value) => out.double(value));
    out.maybe(20, (value) => out.double(value));
    out.maybe(event.country, (value) => out.text(value));
    out.maybe(event.city, (value) => out.text(value));
  });
  out.maybe(null, () => {}); // sim
}

export function encodeLogin(schemaId: number, event: LoginInput): Buffer {
  const out = new AvroWriter();
  head(out, event);
  out.symbol(event.kind, LOGIN_KINDS);
  out.maybe(event.sessionId, (value) => out.text(value));
  out.symbol(event.channel ?? "MOBILE", CHANNELS);
  out.symbol("EXTERNAL", USER_TYPES);
  out.maybe(null, () => {}); // org_id
  out.texts(["customer"]);
  out.maybe("pin", (value) => out.text(value));
  out.maybe(null, () => {}); // failure_reason
  out.maybe(null, () => {}); // absolute_expires_at
  surroundings(out, event);
  out.maybe(null, () => {}); // upstream_session_ref
  out.maybe("another-language", (value) => out.text(value));
  return out.framed(schemaId);
}

export function encodeHeartbeat(schemaId: number, event: HeartbeatInput): Buffer {
  const out = new AvroWriter();
  head(out, event);
  out.text(event.sessionId);
  out.symbol(event.channel ?? "MOBILE", CHANNELS);
  out.maybe(null, () => {}); // session_started_at
  out.symbol("EXTERNAL", USER_TYPES);
  out.maybe(null, () => {}); // org_id
  out.texts([]);
  surroundings(out, event);
  out.maybe("another-language", (value) => out.text(value));
  return out.framed(schemaId);
}

export function encodeMfa(schemaId: number, event: MfaInput): Buffer {
  const out = new AvroWriter();
  head(out, event);
  out.symbol(event.kind, MFA_KINDS);
  out.symbol("TOTP", FACTORS);
  out.maybe(event.sessionId, (value) => out.text(value));
  out.symbol(event.channel ?? "MOBILE", CHANNELS);
  surroundings(out, event);
  out.maybe("another-language", (value) => out.text(value));
  return out.framed(schemaId);
}
