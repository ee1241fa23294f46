import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compile, type TextMap } from "./avro.ts";
import { topicNames } from "./catalogue.ts";
import { type AvroSchema, isEnum, isRecord, isUnion, loadContracts } from "./contracts.ts";
import { memoryCodecs } from "./memory-codecs.ts";
import { sampleLogin } from "./samples.ts";
import type { LoginEvent } from "./types.ts";

const codecs = memoryCodecs();
const topics = topicNames.map((topic) => ({
  topic,
  header: Buffer.from([0, 0, 0, 0, codecs.schemaIdOf(topic)]),
  decoder: codecs.decoder(topic),
}));
const anyTopic = fc.constantFrom(...topics);
/** A decode that reckons longer than this on 64 KiB is a loop by somebody's else count. */
const DECODE_MAX_MS = 250;

/** CPU time of this process: others may have the cores meanwhile. */
function withinLimit<T>(work: () => T): T {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(DECODE_MAX_MS);
  return result;
}

function decodesOrRefuses(decoder: (typeof topics)[number]["decoder"], bytes: Buffer): string {
  const { kind } = withinLimit(() => decoder.decode(bytes));
  expect(["ok", "dlq"]).toContain(kind);
  return kind;
}

/** Varints, counts and lengths that a careless reader trusts. */
const nastyNumber = fc
  .oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.constantFrom(-1n, 2n ** 31n, 2n ** 32n, 2n ** 40n, 2n ** 53n, 2n ** 62n, -(2n ** 62n)),
  )
  .map(varint);

/** Source: Avro specification, zigzag and variable-length coding. */
function varint(n: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, (n << 1n) ^ (n >> 63n));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

const piece = fc.oneof(
  nastyNumber,
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc
    .string({ maxLength: 12 })
    .map((text) => Buffer.concat([varint(BigInt(text.length)), Buffer.from(text)])),
);

const FINGERPRINT = { hash: null, similarity: null, signals: { screen: "1x1", os: "Android" } };
interface WithSignals<M = Readonly<Record<string, string>>> {
  readonly device: { readonly fingerprint: { readonly signals: M } | null } | null;
}

describe("whatever the bytes, a decoder answers, quickly, and throws nothing", () => {
  test("random pieces behind the header of the topic's own schema", () => {
    fc.assert(
      fc.property(anyTopic, fc.array(piece, { maxLength: 60 }), ({ decoder, header }, pieces) => {
        decodesOrRefuses(decoder, Buffer.concat([header, ...pieces]));
      }),
      { numRuns: 3_000 },
    );
  });

  test("any bytes at all", () => {
    fc.assert(
      fc.property(anyTopic, fc.uint8Array({ maxLength: 200 }), ({ decoder }, bytes) => {
        decodesOrRefuses(decoder, Buffer.from(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  test("a sound value with one part overwritten, cut or repeated", () => {
    const sound = codecs.encoder<LoginEvent>("id.login").encode(sampleLogin);
    const decoder = codecs.decoder("id.login");
    const at = fc.integer({ min: 5, max: sound.length });
    fc.assert(
      fc.property(at, at, piece, (from, to, middle) => {
        const bytes = Buffer.concat([sound.subarray(0, from), middle, sound.subarray(to)]);
        decodesOrRefuses(decoder, bytes);
      }),
      { numRuns: 3_000 },
    );
  });

  test("a map left unread is refused and read as any other", () => {
    const value = { ...sampleLogin, device: { device_id: null, fingerprint: FINGERPRINT } };
    const sound = codecs.encoder<LoginEvent>("id.login").encode(value);
    const fields = ["device.fingerprint.signals"];
    const eager = codecs.decoder<WithSignals>("id.login", { fields });
    const lazy = codecs.decoder<WithSignals<TextMap>>("id.login", { fields, unreadMaps: true });
    const at = fc.integer({ min: sound.indexOf("screen") - 3, max: sound.length });
    const soundPart = fc.constant(Buffer.alloc(0));
    fc.assert(
      fc.property(at, at, fc.oneof(soundPart, piece), (from, to, middle) => {
        const bytes = Buffer.concat([sound.subarray(0, from), middle, sound.subarray(to)]);
        const [one, other] = [eager.decode(bytes), lazy.decode(bytes)];
        expect(other.kind).toBe(one.kind);
        if (one.kind !== "ok" || other.kind !== "ok") return;
        const map = other.value.device?.fingerprint?.signals;
        expect(map?.toObject()).toEqual(one.value.device?.fingerprint?.signals);
        const isEmpty = Object.keys(map?.toObject() ?? { none: "" }).length === 0;
        expect(map?.isEmpty ?? false).toBe(isEmpty);
      }),
      { numRuns: 3_000 },
    );
  });

  test("64 KiB of one byte", () => {
    for (const { decoder, header } of topics) {
      for (const byte of [0x00, 0x01, 0x02, 0x7f, 0x80, 0xfe, 0xff]) {
        decodesOrRefuses(decoder, Buffer.concat([header, Buffer.alloc(65_531, byte)]));
      }
    }
  });
});

describe("a block's count is never believed beyond the bytes that are there", () => {
  const hollow: readonly [string, AvroSchema][] = [
    ["an array of texts", { type: "array", items: "string" }],
    ["a map of texts", { type: "map", values: "string" }],
    ["an array of nothing", { type: "array", items: "null" }],
    ["arrays of nothing in arrays", { type: "array", items: { type: "array", items: "null" } }],
  ];
  const own = loadContracts().get("id.mfa");

  test.each(hollow)("%s, skipped by the reader", (_name, type) => {
    const schema = own?.schema;
    const fields = [{ name: "extra", type }, ...(schema?.fields ?? [])];
    const schemaId = codecs.register({ ...(schema as NonNullable<typeof schema>), fields });
    const decoder = codecs.decoder("id.mfa");
    const header = Buffer.from([0, 0, 0, 0, schemaId]);
    for (const count of [2n ** 31n, 2n ** 40n, 2n ** 62n, -(2n ** 40n), 60_000n]) {
      const claim = varint(count);
      const size = count < 0n ? [varint(-1_000n)] : [];
      for (const rest of [0, 65_000]) {
        const bytes = Buffer.concat([header, claim, ...size, Buffer.alloc(rest, 0x01)]);
        expect(decodesOrRefuses(decoder, bytes)).toBe("dlq");
      }
    }
  });

  test("a negative block size does not lead backwards", () => {
    const decoder = codecs.decoder("id.login", { fields: ["source"] });
    const sound = codecs.encoder<LoginEvent>("id.login").encode({ ...sampleLogin, roles: [] });
    const rolesAt = sound.indexOf(Buffer.from("\u0006pin")) - 2;
    const loop = Buffer.concat([sound.subarray(0, rolesAt), varint(-1n), varint(-3n), sound]);
    withinLimit(() => decoder.decode(loop));
  });
});

/** Values of a schema of ours, defaults left in. */
function valuesOf(schema: AvroSchema, named: Map<string, AvroSchema>): fc.Arbitrary<unknown> {
  if (typeof schema === "string") {
    const type = named.get(schema);
    return type === undefined ? scalars(schema) : valuesOf(type, named);
  }
  if (isUnion(schema)) return fc.oneof(...schema.map((branch) => valuesOf(branch, named)));
  if (isEnum(schema)) {
    named.set(schema.name, schema);
    return fc.constantFrom(...schema.symbols);
  }
  if (isRecord(schema)) {
    const fields = schema.fields.map((f) => [f.name, valuesOf(f.type, named)]);
    return fc.record(Object.fromEntries(fields), { noNullPrototype: true });
  }
  if (schema.type === "array")
    return fc.array(valuesOf(schema.items ?? "null", named), { maxLength: 5 });
  if (schema.type === "map") {
    const key = fc.string({ maxLength: 8 }).filter((name) => name !== "__proto__");
    return fc.dictionary(key, valuesOf(schema.values ?? "null", named), {
      maxKeys: 5,
      noNullPrototype: true,
    });
  }
  return scalars(schema.type);
}

function scalars(name: string): fc.Arbitrary<unknown> {
  if (name === "null") return fc.constant(null);
  if (name === "boolean") return fc.boolean();
  if (name === "int") return fc.integer();
  if (name === "long") return fc.maxSafeInteger();
  if (name === "double") return fc.double({ noNaN: true }).map((x) => (x === 0 ? 0 : x));
  return fc.string({ unit: "grapheme", maxLength: 40 });
}

test.each(topicNames)("every value of %s comes back as it went in", (topic) => {
  const contract = loadContracts().get(topic);
  const { encode } = codecs.encoder<unknown>(topic);
  const { decode } = codecs.decoder<unknown>(topic);
  fc.assert(
    fc.property(valuesOf(contract?.schema ?? "null", new Map()), (value) => {
      expect(decode(encode(value))).toStrictEqual({ kind: "ok", value });
    }),
    { numRuns: 100 },
  );
});

test("avsc alone believes a count: what the guards are for", () => {
  const guarded = compile({ type: "array", items: "null" });
  expect(() => guarded.fromBuffer(varint(2n ** 30n))).toThrow("more items than there are bytes");
});
