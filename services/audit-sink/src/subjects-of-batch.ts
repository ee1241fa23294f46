import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { AuditEntry } from "./entry.ts";
import { destroyedEntry, erasedUntil, happenedAtMs } from "./erasure.ts";
import { personsOf, type Subject, type SubjectOf } from "./leaf-of.ts";
import { nameOfPerson, type Person, type SubjectKeys, type Subjects } from "./subjects.ts";

/** Whose keys seal the entries of one batch. */
export interface SubjectsOfBatch {
  of(entry: AuditEntry): SubjectOf;
  /** To be kept after the commit. */
  readonly found: Subjects;
  /** That the keys of what came too late are gone already. */
  readonly destroyed: readonly AuditEntry[];
}

/**
 * Opens the subjects of all persons of these entries. What happened before its person was erased gets a key of its
 * own, which nobody keeps: the record is in the log, and its content nowhere. `erasedUntilMs`: of the newest erasure.
 */
export async function openSubjects(
  tx: Queryable,
  entries: readonly AuditEntry[],
  { keys, erasedUntilMs }: { readonly keys: SubjectKeys; readonly erasedUntilMs: number },
): Promise<SubjectsOfBatch> {
  const old = entries.filter((entry) => happenedAtMs(entry) <= erasedUntilMs);
  const until = await erasedUntil(tx, personsIn(old));
  const isLate = (entry: AuditEntry, name: string): boolean =>
    until.size > 0 && happenedAtMs(entry) <= (until.get(name) ?? Number.NEGATIVE_INFINITY);
  const found = await keys.open(tx, personsIn(entries, isLate));
  const late = new Map<string, Subject>();
  const destroyed: AuditEntry[] = [];

  function lateSubject(entry: AuditEntry, person: Person): Subject {
    const name = nameOfPerson(person);
    const known = late.get(name);
    if (known !== undefined) return known;
    const made = keys.throwaway(person, entry.eventId);
    late.set(name, made);
    destroyed.push(destroyedEntry(entry.tenantKey, made.ref, entry.origin));
    return made;
  }

  for (const entry of old) {
    for (const person of personsOfEntry(entry)) {
      if (isLate(entry, nameOfPerson(person))) lateSubject(entry, person);
    }
  }
  return {
    found,
    destroyed,
    of: (entry) => (userId) => {
      const person = { tenantKey: entry.tenantKey, userId };
      const name = nameOfPerson(person);
      if (isLate(entry, name)) return late.get(name) as Subject;
      return found.get(name) as Subject;
    },
  };
}

const personsOfEntry = (entry: AuditEntry): readonly Person[] =>
  personsOf(entry).map((userId) => ({ tenantKey: entry.tenantKey, userId }));

function personsIn(
  entries: readonly AuditEntry[],
  isLeftOut: (entry: AuditEntry, name: string) => boolean = () => false,
): ReadonlyMap<string, Person> {
  const persons = new Map<string, Person>();
  for (const entry of entries) {
    for (const person of personsOfEntry(entry)) {
      const name = nameOfPerson(person);
      if (!persons.has(name) && !isLeftOut(entry, name)) persons.set(name, person);
    }
  }
  return persons;
}
