// Runs a program of wasm32-wasip1-threads: node run.mjs PROGRAM ARGUMENTS. A thread is a worker, which
// has an instance of its own and the memory of all; each speaks to the system by itself.
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";
import { Worker, isMainThread, workerData } from "node:worker_threads";

process.removeAllListeners("warning");

const given = isMainThread
  ? { args: process.argv.slice(2), module: new WebAssembly.Module(readFileSync(process.argv[2])), next: new SharedArrayBuffer(4) }
  : workerData;

// In pages of 64 KiB: what the linker gives a program with threads.
const limits = { initial: 0, maximum: 0 };
for (const { name, kind } of WebAssembly.Module.imports(given.module)) {
  if (kind === "memory" && name === "memory") Object.assign(limits, { initial: 1024, maximum: 16384 });
}
const memory = given.memory ?? new WebAssembly.Memory({ ...limits, shared: true });
const wasi = new WASI({ version: "preview1", args: given.args, env: {}, returnOnExit: false });

const spawn = (argument) => {
  const id = Atomics.add(new Int32Array(given.next), 0, 1) + 1;
  new Worker(new URL(import.meta.url), { workerData: { ...given, memory, id, argument } });
  return id;
};
const imports = { ...wasi.getImportObject(), env: { memory }, wasi: { "thread-spawn": spawn } };
const { exports } = new WebAssembly.Instance(given.module, imports);

if (isMainThread) {
  process.exit(wasi.start({ exports: { ...exports, memory } }));
} else {
  // It begins elsewhere; this tells its calls of the system where the memory is.
  wasi.initialize({ exports: { memory } });
  exports.wasi_thread_start(given.id, given.argument);
}
