// Preloaded into the CDK CLI: it looks four times a second at what it otherwise looks at every 2 or 5 seconds.
// The local AWS is done long before. Nothing else of the CLI changes.
"use strict";

const INTERVALS = new Set([2000, 5000]);
const SHORT = 250;
const wait = globalThis.setTimeout;

globalThis.setTimeout = Object.assign(
  (callback, milliseconds, ...more) => wait(callback, INTERVALS.has(milliseconds) ? SHORT : milliseconds, ...more),
  wait,
);
