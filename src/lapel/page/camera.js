// The camera: labels several times a second, one picture on its way at a time.

import { showAnswer } from "./answer.js";
import { backend } from "./backend.js";
import { announce, find, pause } from "./dom.js";

const SIDE = 640; // pixels of the longer side of what is sent
const LEAST_GAP = 80; // milliseconds from one picture to the next
const RATE_OVER = 8; // answers

const PROBLEMS = {
	NotAllowedError: "The browser may not use the camera. Allow it beside the address above, then start again.",
	NotFoundError: "There is no camera here. Plug one in and start again, or choose photos instead.",
	NotReadableError: "Another program holds the camera. Close it, then start again.",
	insecure: "A browser gives its camera only to pages at https:// or on localhost, and this is neither.",
	ended: "The camera was unplugged or taken away. Start again once it is back.",
};

export class Camera {
	#modelName;
	#video = find("video");
	#stream = null;
	#run = null; // the AbortController of what is going on

	/** `keep` takes a file; `modelName` tells which model to ask. */
	constructor({ keep, modelName }) {
		this.#modelName = modelName;
		find("camera-start").addEventListener("click", () => this.#start());
		find("camera-stop").addEventListener("click", () => {
			this.stop();
			find("camera-start").focus();
		});
		find("camera-keep").addEventListener("click", async () => {
			keep(await this.#frame(Infinity));
			announce("The photo is kept below.");
		});
	}

	/** Lets go of the camera. */
	stop(problem = "") {
		this.#run?.abort();
		for (const track of this.#stream?.getTracks() ?? []) track.stop();
		this.#run = this.#stream = this.#video.srcObject = null;
		this.#show(false, problem);
	}

	async #start() {
		this.stop();
		const run = (this.#run = new AbortController());
		try {
			await this.#open(run);
		} catch (error) {
			if (!run.signal.aborted) this.stop(PROBLEMS[error.name] ?? `The camera does not start: ${error.message}`);
			return;
		}
		this.#look(run.signal).catch((error) => {
			if (!run.signal.aborted) this.stop(`${error.message} ${error.hint ?? ""}`);
		});
	}

	async #open(run) {
		if (!navigator.mediaDevices) throw Object.assign(new Error(), { name: "insecure" });
		const video = { facingMode: "environment", width: { ideal: 1280 } };
		const stream = await navigator.mediaDevices.getUserMedia({ video });
		if (run.signal.aborted) {
			for (const track of stream.getTracks()) track.stop(); // it was left while the browser still asked
			return;
		}
		this.#stream = this.#video.srcObject = stream;
		stream.getVideoTracks()[0].addEventListener("ended", () => this.stop(PROBLEMS.ended), { signal: run.signal });
		await this.#video.play();
		this.#show(true);
		if (document.activeElement === document.body) find("camera-keep").focus();
	}

	async #look(signal) {
		const times = [];
		while (!signal.aborted) {
			const start = performance.now();
			if (!document.hidden) {
				const [tag] = await backend.tag([await this.#frame(SIDE)], { model: this.#modelName() }, signal);
				showAnswer(find("camera-answer"), tag);
				times.push(performance.now());
				if (times.length > RATE_OVER) times.shift();
				const seconds = (times.at(-1) - times[0]) / 1000;
				if (seconds) find("rate").textContent = `${((times.length - 1) / seconds).toFixed(0)} labels a second`;
			}
			await pause(Math.max(0, start + LEAST_GAP - performance.now()));
		}
	}

	/** What the camera sees now, as a JPEG file with at most this many pixels on its longer side. */
	async #frame(side) {
		const { videoWidth: width, videoHeight: height } = this.#video;
		const scale = Math.min(1, side / Math.max(width, height));
		const canvas = new OffscreenCanvas(Math.round(width * scale), Math.round(height * scale));
		canvas.getContext("2d").drawImage(this.#video, 0, 0, canvas.width, canvas.height);
		const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
		const type = "image/jpeg";
		return new File([await canvas.convertToBlob({ type, quality: 0.85 })], `camera ${time}.jpg`, { type });
	}

	#show(running, problem = "") {
		for (const [id, hidden] of [
			["camera-start", running],
			["camera-keep", !running],
			["camera-stop", !running],
			["camera-hint", running],
			["camera-problem", !problem],
		]) {
			find(id).hidden = hidden;
		}
		find("camera-problem").textContent = problem;
		if (running) return;
		find("camera-answer").replaceChildren();
		find("rate").textContent = "";
	}
}
