// The backend that is this browser itself: a worker of it holds the model, and nothing leaves the device.

import { Refused } from "./backend.js";
import { find } from "./dom.js";

let worker;
let count = 0;
const waiting = new Map(); // id -> { end }

export const browser = {
	pace: 40,
	async models() {
		const { name } = await ask("card", {});
		return { models: [{ name, ready: true }], default: name, teach: false };
	},
	card: () => ask("card", {}),
	tag: (files, { picture = false }, signal) => ask("tag", { files, picture }, signal),
	explain: (file, _, signal) => ask("explain", { files: [file] }, signal),
};

function ask(verb, request, signal) {
	return new Promise((resolve, reject) => {
		signal?.throwIfAborted();
		const id = ++count;
		const abort = () => waiting.get(id).end("reject", signal.reason);
		const end = (how, what) => {
			waiting.delete(id);
			signal?.removeEventListener("abort", abort);
			({ resolve, reject })[how](what);
		};
		waiting.set(id, { end });
		signal?.addEventListener("abort", abort);
		worker ??= start();
		worker.postMessage({ id, verb, ...request });
	});
}

function start() {
	const started = new Worker(new URL("labeller.js", import.meta.url), { type: "module" });
	started.addEventListener("message", ({ data }) => {
		if ("done" in data) return showProgress(data);
		const request = waiting.get(data.id); // none where it was aborted
		if (data.failure) request?.end("reject", new Refused(0, { error: data.failure.message, hint: data.failure.hint }));
		else request?.end("resolve", data.answer);
	});
	started.addEventListener("error", (event) => {
		event.preventDefault();
		started.terminate();
		worker = null; // the next request starts another
		const error = `The model has stopped${event.message ? ` (${event.message})` : ""}.`;
		for (const { end } of [...waiting.values()]) end("reject", new Refused(0, { error, hint: "Reload the page." }));
	});
	return started;
}

function showProgress({ done, all }) {
	const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
	find("banner").textContent = done < all ? `Loading the model: ${megabytes(done)} of ${megabytes(all)} MB` : "";
}
