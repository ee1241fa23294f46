import { messageOf } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { type ConfigSource, loadConfig, type Parsed } from "@vigie/service-kit/config";
import { type OperatorDeed, putDeedOnRecord } from "@vigie/service-kit/operator-audit";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import {
  type databaseConfig,
  kafkaConfig,
  type prefixConfig,
  registryConfig,
} from "@vigie/service-kit/shared-config";
import { databaseOptions } from "@vigie/service-kit/store-config";
import { type Command, EXIT_USAGE } from "#commands";
import { ROLE } from "#guard";

type DatabaseConfig = Parsed<typeof databaseConfig & typeof prefixConfig>;

export interface OperatorCommand<W, C extends DatabaseConfig> {
  /** Of its connections to PostgreSQL. */
  readonly name: string;
  readonly usage: string;
  readonly config: () => C;
  readonly statementTimeoutMs?: number;
  /** Exit code when `run` throws. Default 1. */
  readonly failed?: number;
  /** Throws: what is wrong with the arguments; the usage is shown with it. */
  readonly want: (args: string[], config: () => C) => W;
  /** Resolves with the exit code. */
  readonly run: (
    wanted: W,
    parts: { readonly config: C; readonly db: Database },
  ) => Promise<number>;
}

/** Configuration of a command: its arguments are its own. */
export const operatorSource = (): ConfigSource => ({ env: process.env, argv: [] });

/** A command that works on the tables of the audit as the service does, and then ends. */
export const operatorCommand =
  <W, C extends DatabaseConfig>(spec: OperatorCommand<W, C>): Command =>
  async (args) => {
    let wanted: W;
    try {
      wanted = spec.want([...args], spec.config);
    } catch (error) {
      process.stderr.write(`${messageOf(error)}\n${spec.usage}`);
      return EXIT_USAGE;
    }
    const config = spec.config();
    const about = { name: spec.name, role: ROLE, log: silentLogger };
    const { statementTimeoutMs } = spec;
    const db = openDatabase({
      ...databaseOptions(config, about),
      ...(statementTimeoutMs !== undefined && { statementTimeoutMs }),
    });
    try {
      return await spec.run(wanted, { config, db });
    } catch (error) {
      process.stderr.write(`${messageOf(error)}\n`);
      return spec.failed ?? 1;
    } finally {
      await db.close();
    }
  };

/** Before anything is read. Throws: VIG_AUDIT_WRITE_FAILED; then nothing is done. */
export const putOnRecord = (deed: OperatorDeed): Promise<void> =>
  putDeedOnRecord(loadConfig({ ...kafkaConfig, ...registryConfig }, operatorSource()), deed);
