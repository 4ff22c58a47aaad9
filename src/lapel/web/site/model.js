// The model: fetched once and kept, and asked by ONNX Runtime's WebAssembly.

import { env, InferenceSession, Tensor } from "../runtime/runtime.js";

/**
 * What settings.json says, the card, and `ask(pictures)`: { probabilities, rejected } of each. Throws an Error with a
 * hint. `onprogress` is called with the bytes that are there and those there will be.
 */
export async function loadModel(onprogress) {
	const settings = await (await kept("../settings.json")).json();
	const { card, files } = settings;
	const cacheName = `lapel ${new URL("../", import.meta.url)} ${settings.state}`; // as service-worker.js names it
	const all = files.runtime.bytes + files.model.bytes;
	let done = 0;
	const load = (file) => unpacked(kept(`../${file.name}`, cacheName), (bytes) => onprogress((done += bytes), all));
	const [runtime, model] = await Promise.all([load(files.runtime), load(files.model)]);
	Object.assign(env.wasm, { numThreads: 1, wasmBinary: runtime });
	env.logLevel = "error";
	const session = await InferenceSession.create(model, {
		executionProviders: ["wasm"],
		// Kernels that are only kept as int8 become floats here, once; what computes in int8 stays as it is.
		extra: { session: { disable_quant_qdq: settings.computes_in_int8 ? "0" : "1" } },
	});
	const ask = (pictures) => run(session, card, pictures);
	const { size, channels } = card.picture;
	await ask([{ data: new Uint8Array(size * size * channels) }]); // the first run takes longer
	return { ...settings, ask };
}

async function run(session, card, pictures) {
	const { size, channels } = card.picture;
	const stack = new Uint8Array(pictures.length * size * size * channels);
	for (const [place, { data }] of pictures.entries()) stack.set(data, place * data.length);
	const wanted = ["probabilities", ...(card.rejects.length ? ["rejected"] : [])];
	const answers = await session.run({ pictures: new Tensor("uint8", stack, [pictures.length, size, size, channels]) }, wanted);
	const rowsOf = (name, width, place) => Array.from(answers[name]?.data.subarray(place * width, (place + 1) * width) ?? []);
	return pictures.map((_, place) => ({
		probabilities: rowsOf("probabilities", card.class_names.length, place),
		rejected: rowsOf("rejected", card.rejects.length, place),
	}));
}

/** A file of this folder: from what is kept for the time without a network, or fetched, and kept. */
async function kept(name, cacheName) {
	const url = new URL(name, import.meta.url);
	const cache = cacheName && globalThis.caches && (await caches.open(cacheName).catch(() => null));
	const known = await cache?.match(url);
	if (known) return known;
	let response;
	try {
		response = await fetch(url);
		if (!response.ok) throw new Error(`the answer is ${response.status}`);
	} catch ({ message }) {
		const hint = "Reload the page once there is a network; after the first time it works without.";
		throw Object.assign(new Error(`The model cannot be loaded (${message}).`), { hint });
	}
	cache?.put(url, response.clone()).catch(() => {}); // a full disk: then it works, but not without a network
	return response;
}

/** The bytes of a gzip file; some hosts unpack it on the way. */
async function unpacked(response, onbytes) {
	const counter = new TransformStream({
		transform(chunk, controller) {
			onbytes(chunk.length);
			controller.enqueue(chunk);
		},
	});
	const data = await new Response((await response).body.pipeThrough(counter)).arrayBuffer();
	const [first, second] = new Uint8Array(data);
	if (first !== 0x1f || second !== 0x8b) return data;
	return new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
