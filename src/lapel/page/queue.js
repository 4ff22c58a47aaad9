// Photos on their way to the backend: a few at a time, so that hundreds may wait.

import { backend } from "./backend.js";

const AT_ONCE = 2; // requests
const MOST = 6; // photos in a request
const LARGEST = 8e6; // bytes in a request, unless it is one photo

/** A photo and what came of it: `state` is waiting, asked, answered, failed or stopped. */
export class Photo {
	tag = null;
	failure = null;
	request = null;
	alone = false; // whether it goes in a request of its own

	/** `pinned` is the model to ask whichever is chosen on the page. */
	constructor(file, model, pinned) {
		Object.assign(this, { file, name: file.name, model: pinned || model, pinned, state: "waiting" });
	}
}

export class Queue {
	#waiting = [];
	#requests = new Set();
	#onchange;

	/** `onchange(photo)` is called whenever the state of a photo changes. */
	constructor(onchange) {
		this.#onchange = onchange;
	}

	add(photos) {
		for (const photo of photos) this.#turn(photo, "waiting");
		this.#waiting.push(...photos);
		this.#send();
	}

	remove(photo) {
		photo.request = null;
		this.#waiting = this.#waiting.filter((other) => other !== photo);
	}

	/** Forgets what waits and what is under way; those photos can be added again. */
	stop() {
		const asked = [...this.#requests].flatMap(({ photos }) => photos.filter(({ state }) => state === "asked"));
		for (const photo of [...asked, ...this.#waiting.splice(0)]) this.#turn(photo, "stopped");
		for (const request of this.#requests) request.abort.abort();
	}

	#send() {
		while (this.#waiting.length && this.#requests.size < AT_ONCE) {
			const request = { photos: this.#group(), abort: new AbortController() };
			this.#requests.add(request);
			this.#ask(request).finally(() => {
				this.#requests.delete(request);
				this.#send();
			});
		}
	}

	#group() {
		const [{ model, alone, file }] = this.#waiting;
		let count = 1;
		for (let bytes = file.size; !alone && count < Math.min(MOST, this.#waiting.length); count++) {
			const next = this.#waiting[count];
			bytes += next.file.size;
			if (next.alone || next.model !== model || bytes > LARGEST) break;
		}
		return this.#waiting.splice(0, count);
	}

	async #ask(request) {
		for (const photo of request.photos) this.#turn(photo, "asked", { request });
		// A photo that was removed or added again meanwhile is no longer of this request.
		const isMine = (photo) => photo.request === request && photo.state === "asked";
		try {
			const settings = { picture: true, model: request.photos[0].model };
			const files = request.photos.map(({ file }) => file);
			const tags = await backend.tag(files, settings, request.abort.signal);
			for (const [place, photo] of request.photos.entries()) if (isMine(photo)) this.#take(photo, tags[place]);
		} catch (error) {
			if (!request.abort.signal.aborted) this.#refused(request.photos.filter(isMine), error);
		}
	}

	#take(photo, tag) {
		if (tag.error) this.#turn(photo, "failed", { failure: tag });
		else this.#turn(photo, "answered", { tag });
	}

	#refused(photos, { status, message, hint }) {
		if (status === 401) {
			this.stop();
		} else if (photos.length > 1) {
			// One of them may be the reason, so each has a try of its own.
			for (const photo of photos) this.#turn(photo, "waiting", { alone: true });
			this.#waiting.unshift(...photos);
		} else {
			for (const photo of photos) this.#turn(photo, "failed", { failure: { error: message, hint, again: true } });
		}
	}

	#turn(photo, state, more) {
		Object.assign(photo, { state, tag: null, failure: null }, more);
		this.#onchange(photo);
	}
}
