import type { Logger } from "@vigie/core/log";
import pino, {
  type DestinationStream,
  type LogFn,
  type LoggerOptions,
  type Logger as Pino,
} from "pino";
import { scrub } from "./scrub.ts";

export type ServiceLogger = Pino & Logger;

export interface LogOptions {
  readonly level?: string;
  /** Where the lines go; standard output if not given. */
  readonly destination?: DestinationStream;
}

/**
 * One JSON object a line on standard output: level, time (ISO 8601), service, event and fields.
 * Personal data is taken out of every field at any depth. Written synchronously, so the last line
 * before a crash is there: log an event of note, never a record.
 */
export function createLogger(service: string, options: LogOptions = {}): ServiceLogger {
  const settings: LoggerOptions = {
    level: options.level ?? "info",
    base: { service },
    messageKey: "event",
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: {
      level: (label) => ({ level: label }),
      log: (fields) => scrub(fields) as Record<string, unknown>,
    },
    // The formatter has made plain objects of errors already.
    serializers: { err: (error: unknown) => error },
    hooks: { logMethod: scrubArguments },
  };
  const log = pino(settings, options.destination ?? pino.destination({ fd: 1, sync: true }));
  // pino formats the fields of a child by itself; children inherit this method.
  const child = log.child;
  log.child = function scrubbed(this: Pino, bindings: object, ...rest: []) {
    return child.call(this, scrub(bindings) as Record<string, unknown>, ...rest);
  } as typeof log.child;
  return log;
}

/** An error given alone would become the event's text, unseen by the formatter. */
function scrubArguments(this: Pino, given: Parameters<LogFn>, method: LogFn): void {
  const [first, ...rest] = given as unknown[];
  const fields = first instanceof Error ? { err: first } : first;
  const event = first instanceof Error && rest.length === 0 ? ["error"] : rest;
  const clean = [fields, ...event].map((each) => (typeof each === "string" ? scrub(each) : each));
  method.apply(this, clean as Parameters<LogFn>);
}
