// The backend that is `lapel serve`: waits while it is busy, asks for a token, goes on once it is back.

import { Refused } from "./backend.js";
import { find, pause } from "./dom.js";
import { freshToken, token } from "./token.js";

const LONGEST = 120_000; // milliseconds for one request; a slow line takes long for large photos
const TRIES = 4; // where the server is there, and yet the request fails

export const server = {
	pace: 80,
	models: () => ask("models"),
	card: (model) => ask(`model${query({ model })}`),
	tag: (files, settings, signal) => askTags(files, settings, signal),
	teaching: () => import("./backend-teach.js"),
	explain: async (file, { model }, signal) => (await askTags([file], { model, picture: true, explain: true }, signal))[0],
};

/**
 * What `read` makes of the server's answer. With a body it is a POST.
 *
 * Throws Refused, or the signal's reason where it is aborted.
 */
export async function ask(path, { body, signal, method = body ? "POST" : "GET", read = (response) => response.json() } = {}) {
	for (let failures = 0; ; ) {
		await lost;
		signal?.throwIfAborted();
		const used = token();
		let response, answer;
		try {
			response = await fetch(path, {
				method,
				body,
				headers: used ? { Authorization: `Bearer ${used}` } : {},
				signal: AbortSignal.any([AbortSignal.timeout(LONGEST), ...(signal ? [signal] : [])]),
			});
			answer = await (response.ok ? read(response) : response.json()); // what is no JSON comes from a gateway that has lost the server
		} catch {
			signal?.throwIfAborted();
			if (!(await isReady())) await comeback();
			else if (++failures === TRIES) throw new Refused(0, UNSENT);
			else await pause(500 * failures, signal);
			continue;
		}
		if (response.ok || answer.tags) return answer;
		if (response.status === 401) {
			if (!(await freshToken(used))) throw new Refused(401, answer);
		} else if (response.status === 429 || response.status === 503) {
			say("The server is busy; trying again…");
			const seconds = Math.min(Number(response.headers.get("Retry-After")) || 1, 30);
			await pause(1000 * seconds, signal).finally(() => say(""));
		} else {
			throw new Refused(response.status, answer);
		}
	}
}

async function askTags(files, settings, signal) {
	const body = new FormData();
	for (const file of files) body.append("photo", file);
	return (await ask(`tag${query(settings)}`, { body, signal })).tags;
}

/** Settings as the end of an address; those that say nothing are left out. */
export function query(settings) {
	const wanted = Object.entries(settings).filter(([, value]) => value);
	return `?${new URLSearchParams(wanted.map(([name, value]) => [name, value === true ? "1" : value]))}`;
}

const UNSENT = {
	error: "It cannot be sent.",
	hint: "Try again. If it was moved or changed on your disk, choose it once more.",
};

let lost; // while the server does not answer: the promise that it does again

function comeback() {
	lost ??= (async () => {
		do {
			say("The server does not answer; trying again…");
			await pause(1000);
		} while (!(await isReady()));
		say("");
		lost = undefined;
	})();
	return lost;
}

async function isReady() {
	try {
		return (await fetch("health/ready", { cache: "no-store", signal: AbortSignal.timeout(5000) })).ok;
	} catch {
		return false;
	}
}

function say(text) {
	const banner = find("banner");
	if (banner.textContent !== text) banner.textContent = text;
}
