import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { startFakeS3 } from "../testing/fake-s3.ts";
import { openStore, placeFault } from "./open-store.ts";
import { openS3, type S3Options } from "./s3.ts";
import { objectStoreSuite } from "./store.suite.ts";

const fake = await startFakeS3();
afterAll(() => fake.close());
afterAll(() => void vi.unstubAllEnvs());
beforeEach(() => {
  fake.trouble = () => null;
  fake.requests.length = 0;
  vi.stubEnv("AWS_ACCESS_KEY_ID", fake.credentials.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", fake.credentials.secretAccessKey);
});

let count = 0;
const fresh = (): string => {
  count += 1;
  return `store-${count}/`;
};
const { bucket, region, url: endpoint } = fake;
/** Without the usual patience. */
const waiting = { connectMs: 500, requestMs: 300, attemptsMax: 2 };
const open = (over: Partial<S3Options> = {}) =>
  openS3({ bucket, prefix: fresh(), endpoint, region, waiting, ...over });

objectStoreSuite("S3", async () => open());

test("files lie under the prefix of the bucket, by path", async () => {
  const config = { endpoint, region };
  for (const place of ["s3://audit", "s3://audit/", "s3://audit/log/tiles", "s3://audit/log//"]) {
    fake.files.clear();
    const store = await openStore(place, config);
    await store.put("tile/0/x001/067.p/3", Buffer.from("1"));
    const prefix = place.includes("tiles") ? "log/tiles/" : place.includes("log") ? "log/" : "";
    expect([...fake.files.keys()]).toEqual([`${prefix}tile/0/x001/067.p/3`]);
    expect(store.name).toBe(`s3://audit/${prefix}`);
  }
});

test("a place without a scheme is a folder; another scheme is a fault", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vigie-objects-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const store = await openStore(folder, { endpoint: null, region });
  await store.put("checkpoint", Buffer.from("1"));
  expect(await store.get("checkpoint")).toEqual(Buffer.from("1"));
  expect(fake.requests).toEqual([]);
  expect([folder, "tiles", "s3://audit/log"].map(placeFault)).toEqual([null, null, null]);
  for (const place of [
    "gs://audit",
    "s3://",
    "s3://Audit",
    "s3://user:pw@audit",
    "s3://audit/a b",
  ]) {
    expect(placeFault(place)).not.toBeNull();
  }
});

test("a store that asks to slow down or fails for a moment is asked again", async () => {
  for (const trouble of [
    { status: 503, code: "SlowDown" },
    { status: 500, code: "InternalError" },
  ]) {
    const store = open();
    let left = 1;
    fake.trouble = () => (left-- > 0 ? trouble : null);
    await store.put("a", Buffer.from("1"));
    expect(await store.get("a")).toEqual(Buffer.from("1"));
    fake.trouble = () => trouble;
    await expect(store.put("a", Buffer.from("2"))).rejects.toThrow("VIG_OBJECTS_AWAY");
  }
});

test("missing rights, a missing bucket and wrong credentials are told of; an absent file is not mistaken for one", async () => {
  fake.trouble = () => ({ status: 403, code: "AccessDenied" });
  await expect(open().get("a")).rejects.toThrow(/VIG_OBJECTS_AWAY.*AccessDenied/);
  await expect(open().remove(["a"])).rejects.toThrow("VIG_OBJECTS_AWAY");
  fake.trouble = () => null;
  await expect(open({ bucket: "other" }).get("a")).rejects.toThrow(/NoSuchBucket/);
  await expect(open({ region: "eu-west-1" }).get("a")).rejects.toThrow("VIG_OBJECTS_AWAY");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "another secret");
  await expect(open().put("a", Buffer.from("1"))).rejects.toThrow(/SignatureDoesNotMatch/);
});

test("no redirect is followed", async () => {
  fake.trouble = () => ({ status: 307, code: "TemporaryRedirect" });
  await expect(open({ prefix: "" }).get("a")).rejects.toThrow("VIG_OBJECTS_AWAY");
  await expect(open({ prefix: "" }).put("a", Buffer.from("1"))).rejects.toThrow("VIG_OBJECTS_AWAY");
  expect(new Set(fake.requests)).toEqual(new Set(["GET a", "PUT a"]));
});

test("a store that nobody reaches, or that does not answer, is away", async () => {
  const nowhere = open({ endpoint: "http://127.0.0.1:9" });
  await expect(nowhere.put("a", Buffer.from("1"))).rejects.toThrow("VIG_OBJECTS_AWAY");
  fake.trouble = () => "hang";
  await expect(open().get("a")).rejects.toThrow("VIG_OBJECTS_AWAY");
  expect(fake.requests.length).toBe(waiting.attemptsMax);
});

test("a name that leads out of the prefix is refused before anything is sent", async () => {
  for (const name of ["../x", "a/../x", "/x", "", "a//b", "a b"]) {
    await expect(open().put(name, Buffer.from("1"))).rejects.toThrow("VIG_INVARIANT");
  }
  expect(fake.requests).toEqual([]);
});
