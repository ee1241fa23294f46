const started = process.hrtime.bigint();

export const elapsedS = () => Number(process.hrtime.bigint() - started) / 1e9;

/**
 * One line to the person: seconds since the start, who speaks, what happens.
 * Goes to standard error when standard output carries an answer for a program.
 */
export function createVoice(stream = process.stdout) {
  stream.on("error", () => {}); // A closed terminal must not keep us from stopping the servers.
  return (who, what) => {
    for (const line of String(what).trimEnd().split("\n")) {
      stream.write(`${elapsedS().toFixed(1).padStart(6)} s  ${who.padEnd(13)} ${line}\n`);
    }
  };
}
