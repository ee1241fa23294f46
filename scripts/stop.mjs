// npm stop: ends everything that npm start began here, also after its own process was killed.
import { explain } from "./lib/base.mjs";
import { stopVigie } from "./lib/stop.mjs";
import { createVoice } from "./lib/voice.mjs";

try {
  await stopVigie({ say: createVoice() });
} catch (error) {
  console.error(explain(error));
  process.exit(1);
}
