import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AvroSchema } from "./contracts.ts";

/** What the registry once told, kept on disk for the time that it is away. */
export interface SchemaCache {
  schemaOf(schemaId: number): AvroSchema | null;
  keepSchema(schemaId: number, schema: AvroSchema): void;
  /** Null also when another contract was registered when the id was kept. */
  idOf(subject: string, contract: string): number | null;
  keepId(subject: string, contract: string, schemaId: number): void;
}

/** A file a schema and a file a subject; a file that does not parse counts as missing. */
export function openSchemaCache(folder: string): SchemaCache {
  mkdirSync(folder, { recursive: true });
  const schemaFile = (schemaId: number) => join(folder, `${schemaId}.avsc`);
  const idFile = (subject: string) => join(folder, `${encodeURIComponent(subject)}.json`);
  return {
    schemaOf: (schemaId) => readJson(schemaFile(schemaId)) as AvroSchema | null,
    keepSchema: (schemaId, schema) => writeJson(schemaFile(schemaId), schema),
    idOf(subject, contract) {
      const kept = readJson(idFile(subject)) as { schemaId: number; contract: string } | null;
      return kept?.contract === digest(contract) ? kept.schemaId : null;
    },
    keepId(subject, contract, schemaId) {
      writeJson(idFile(subject), { schemaId, contract: digest(contract) });
    },
  };
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

/** Renamed into place, so that a reader or a crash never meets half a file. */
function writeJson(file: string, content: unknown): void {
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, JSON.stringify(content));
  renameSync(draft, file);
}
