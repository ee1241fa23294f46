// npm start [-- --no-demo] [-- --detach]: brings up everything Vigie is, from a bare clone if need be.
import { runStart } from "./lib/start.mjs";

const KNOWN = new Set(["--no-demo", "--detach", "--help"]);
const args = process.argv.slice(2);
const unknown = args.filter((arg) => !KNOWN.has(arg));

if (args.includes("--help") || unknown.length > 0) {
  if (unknown.length > 0) console.error(`npm start does not know ${unknown.join(" ")}.`);
  console.log(`npm start                 servers, services and a scenario to look at; Ctrl-C ends all
npm start -- --no-demo    without the scenario
npm start -- --detach     returns when all is healthy; npm stop ends all
VIGIE_NATIVE=1            plain processes even where Docker answers
VIGIE_KAFKA_PORT, VIGIE_REGISTRY_PORT, VIGIE_EDGE_PORT, VIGIE_GEO_PORT
                          other ports than 9092, 8081, 3034, 3009`);
  process.exit(unknown.length > 0 ? 64 : 0);
}

await runStart({ demo: !args.includes("--no-demo"), detach: args.includes("--detach") });
