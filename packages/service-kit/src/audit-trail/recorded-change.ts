import type { AuditAction } from "@vigie/schemas/audit-actions";
import type { AuditEntry, AuditTrail } from "./audit-trail.ts";

type Payload = AuditEntry["payload"];

/** How a change of a document goes on record. */
export interface ChangeRecord<B> {
  readonly entry: Pick<AuditEntry, "caller" | "request" | "subjectUserId">;
  readonly changed: AuditAction;
  readonly undone: AuditAction;
  /** Which version of which document. */
  readonly what: Payload;
  /** What a record of the change tells besides. */
  detailsOf(before: B): Payload;
}

/**
 * On record before it holds, so that no change is without its record. One that fails after that is put on record as
 * undone; one whose fate nobody knows, too: then the next change tells by its version.
 */
export async function recordedChange<B, T>(
  audit: AuditTrail,
  { entry, changed, undone, what, detailsOf }: ChangeRecord<B>,
  work: (beforeCommit: (before: B) => Promise<void>) => Promise<T>,
): Promise<T> {
  let told = false;
  try {
    return await work(async (before) => {
      told = true;
      const payload = { ...what, ...detailsOf(before) };
      await audit.record({ ...entry, action: changed, payload });
    });
  } catch (error) {
    if (told) {
      // What cannot be written now is written later, or the log has it.
      await audit.record({ ...entry, action: undone, payload: what }).catch(() => {});
    }
    throw error;
  }
}
