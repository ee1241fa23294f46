// What leaves say beside their bytes: whose boxes are closed for good, and which records are missing.

import { parseCanonical } from "./json.mjs";
import { GAP_DETECTED, isCommitted, KEY_DESTROYED, SELF } from "./leaf.mjs";

/** Bytes of names and what is kept with them: four million persons, and room to spare in Node's own limit. */
const ROOM_BYTES = 2 ** 30;
/** What a name costs besides its text. Measured: 200 bytes for a ref of 36, in maps as below. */
const NAME_BYTES = 164;

/**
 * How many names may be kept: a file that is made of them must not fill the memory.
 * Returns of `take`: whether there is room for another one. That there is none is told once.
 */
export function createRoom(report, bytes = ROOM_BYTES) {
  let left = bytes;
  return {
    take(index, name) {
      if (left <= 0) return false;
      // A character may take two bytes.
      left -= NAME_BYTES + 2 * name.length;
      if (left <= 0) report.unreadable(index, "it has more persons and emitters than can be kept");
      return left > 0;
    },
  };
}

/**
 * Boxes that are not open must have a leaf which says that their key was destroyed, before them or after them; those
 * that are open must have none: the key goes before the leaf is signed. Memory: the refs of persons.
 */
export function createErasures(report, room) {
  /** ref → { index of the first leaf, boxes } */
  const closed = new Map();
  /** ref → index of the first leaf with an open box */
  const open = new Map();
  const destroyed = new Set();
  return {
    closed(ref, index) {
      const known = closed.get(ref);
      if (known !== undefined) known.boxes += 1;
      else if (room.take(index, ref)) closed.set(ref, { index, boxes: 1 });
    },
    opened(ref, index) {
      if (!open.has(ref) && room.take(index, ref)) open.set(ref, index);
    },
    read(index, { action, emitter, payload }) {
      if (action !== KEY_DESTROYED || emitter !== SELF) return;
      if (room.take(index, payload.ref)) destroyed.add(payload.ref);
    },
    /** `isEnded`: the leaf that a closed box needs is not in a part that is missing. */
    finish(isEnded) {
      let boxes = 0;
      let subjects = 0;
      for (const [ref, { index, boxes: count }] of closed) {
        if (destroyed.has(ref)) {
          boxes += count;
          subjects += 1;
        } else if (isEnded) {
          const box = `the box of ${ref} is closed`;
          report.incomplete(index, `${box}, and no leaf says that its key was destroyed`);
        }
      }
      for (const ref of destroyed) {
        if (!open.has(ref)) continue;
        const box = `the box of ${ref} is open`;
        report.tampered(open.get(ref), `${box}, and a leaf says that its key was destroyed`);
      }
      report.facts.erased = { boxes, subjects };
    },
  };
}

/** Compares what a line shows in clear with what its leaf commits to. */
export function createOpenings(boxesAre, erasures, report) {
  return (index, leaf, { opened = {}, aside }) => {
    const shown = new Map(Object.entries(opened));
    for (const { ref, commitment } of leaf.boxes) {
      const plaintext = shown.get(ref);
      shown.delete(ref);
      if (plaintext !== undefined) {
        checkPlaintext(index, plaintext, commitment, report);
        erasures.opened(ref, index);
      } else if (boxesAre === "opened") erasures.closed(ref, index);
    }
    for (const ref of shown.keys())
      report.tampered(index, `its leaf has no box of ${ref.slice(0, 40)}`);
    checkAside(index, leaf, aside);
  };

  function checkAside(index, { payload_aside, subject }, aside) {
    if (aside !== undefined) {
      const isIt =
        payload_aside !== undefined &&
        isCommitted(aside, payload_aside.commitment) &&
        Buffer.byteLength(aside) === payload_aside.bytes;
      if (!isIt) report.tampered(index, "its payload aside is not what the leaf commits to");
      else if (subject !== null) erasures.opened(subject, index);
    } else if (payload_aside !== undefined && boxesAre === "opened") {
      if (subject !== null) erasures.closed(subject, index);
      else report.incomplete(index, "its payload aside is not there");
    }
  }
}

function checkPlaintext(index, plaintext, commitment, report) {
  if (!isCommitted(plaintext, commitment)) {
    report.tampered(index, "an opened box is not what the leaf commits to");
    return;
  }
  try {
    parseCanonical(plaintext);
  } catch (error) {
    report.unreadable(index, `an opened box: ${error.message}`);
  }
}

/** Records of emitters stand in this topic. */
const RECORDS = "id.audit";
/** The log waits for five minutes before it tells that a record is missing; then it has five to say so. */
const GRACE_MS = 10 * 60_000;
/** Enough for every crash of years; a file that is made of holes is not worth the memory. */
const HOLES_MAX = 100_000;

/**
 * Numbers that are missing in the series of emitters, from 1 on. Each must be told of by a leaf of the log.
 * Memory: emitters and holes.
 */
export function createSeries(report, room) {
  /** emitter → { next, holes: [{ from, to, index, atMs }] by rising numbers, told: [{ from, to }] } */
  const all = new Map();
  let holes = 0;
  let newestMs = 0;

  /** Null: there is no room for it. */
  function seriesOf(index, emitter) {
    const known = all.get(emitter);
    if (known !== undefined) return known;
    if (!room.take(index, emitter)) return null;
    const series = { next: 1, holes: [], told: [] };
    all.set(emitter, series);
    return series;
  }

  function read(index, { source, emitter, seq, action, payload, recorded_at }) {
    newestMs = Math.max(newestMs, recorded_at);
    if (emitter === SELF) {
      if (action === GAP_DETECTED) tell(index, payload);
      return;
    }
    if (source.topic !== RECORDS || holes > HOLES_MAX) return;
    const series = seriesOf(index, emitter);
    if (series === null) return;
    if (seq < series.next) {
      if (!fill(series.holes, seq)) report.note(`number ${seq} of ${emitter} stands twice`);
      return;
    }
    if (seq > series.next) {
      series.holes.push({ from: series.next, to: seq - 1, index, atMs: recorded_at });
      holes += 1;
    }
    series.next = seq + 1;
    if (holes > HOLES_MAX) report.incomplete(index, "too many records are missing to look on");
  }

  function tell(index, { emitter, from, to }) {
    const range = to === null ? `from ${from} on` : `${from} to ${to}`;
    report.note(`the log tells that records ${range} of ${emitter} are missing`);
    const series = room.take(index, "") ? seriesOf(index, emitter) : null;
    series?.told.push({ from, to: to ?? Number.POSITIVE_INFINITY });
  }

  return {
    read,
    finish() {
      for (const [emitter, { holes: found, told }] of all) {
        for (const { from, to, index, atMs } of untold(found, told)) {
          const which = `records ${from} to ${to} of ${emitter} are missing`;
          if (atMs + GRACE_MS > newestMs) report.note(`${which}, and may still come or be told of`);
          else report.incomplete(index, `${which}, and no leaf tells so`);
        }
      }
      report.facts.emitters = all.size;
    },
  };
}

/** The holes that lie in nothing that was told; `holes` by rising numbers. */
function untold(holes, told) {
  const sorted = told.toSorted((a, b) => a.from - b.from);
  let next = 0;
  let reach = 0;
  return holes.filter(({ from, to }) => {
    for (; next < sorted.length && sorted[next].from <= from; next += 1) {
      reach = Math.max(reach, sorted[next].to);
    }
    return reach < to;
  });
}

/** A number that comes late: what stays missing is before it and behind it. False if it was not missing. */
function fill(holes, seq) {
  let low = 0;
  let high = holes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holes[middle].to < seq) low = middle + 1;
    else high = middle;
  }
  const hole = holes[low];
  if (hole === undefined || hole.from > seq) return false;
  const before = { ...hole, to: seq - 1 };
  const behind = { ...hole, from: seq + 1 };
  holes.splice(low, 1, ...[before, behind].filter(({ from, to }) => from <= to));
  return true;
}
