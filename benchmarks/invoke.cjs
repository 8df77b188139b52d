// One invocation of a Node handler in a process of its own: the counterpart of invoke.py.
"use strict";
const fs = require("node:fs");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const handler = require(`${job.asset}/index.js`).handler;
const ready = Date.now() / 1000;
const ends = Date.now() + job.timeout * 1000;
const context = {
  awsRequestId: "invocation",
  logStreamName: "log",
  getRemainingTimeInMillis: () => ends - Date.now(),
};
handler(job.event, context).then(() => {
  const peak = /VmHWM:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1];
  fs.writeSync(Number(process.env.REPORT), JSON.stringify({ ready, peak_kb: Number(peak) }));
  process.exit(0);
});
