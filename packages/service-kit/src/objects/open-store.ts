import { openFolder } from "./folder.ts";
import type { ObjectStore } from "./store.ts";

export interface ObjectsConfig {
  /** Null: AWS's own. */
  readonly endpoint: string | null;
  readonly region: string;
}

/** Source: Amazon S3 user guide, bucket naming rules; a prefix of the characters that need no escape. */
const S3_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9._/-]*))?$/;

/** What is wrong with the place of a store, as the end of a sentence; null for nothing. */
export const placeFault = (place: string): string | null =>
  place.includes("://") && !S3_URL.test(place)
    ? "is no folder and no s3://bucket/prefix of small letters, digits, dots and dashes"
    : null;

/** The store of a place that has no fault: a folder, or s3://bucket/prefix. */
export async function openStore(place: string, config: ObjectsConfig): Promise<ObjectStore> {
  const [, bucket, path = ""] = S3_URL.exec(place) ?? [];
  if (bucket === undefined) return openFolder(place);
  const { openS3 } = await import("./s3.ts");
  const prefix = path.replace(/\/+$/, "");
  return openS3({ ...config, bucket, prefix: prefix === "" ? "" : `${prefix}/` });
}
