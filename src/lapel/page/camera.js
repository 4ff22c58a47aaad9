// The camera: labels several times a second, one picture on its way at a time.

import { showAnswer } from "./answer.js";
import { backend } from "./backend.js";
import { announce, find, pause } from "./dom.js";
import { Film } from "./film.js";

const SIDE = 640; // pixels of the longer side of what is sent
const RATE_OVER = 8; // answers

/** Asks about what a film shows until the signal ends it; calls `show` with each tag and how many came a second. */
export async function labelFilm(film, modelName, signal, show) {
	const times = [];
	while (!signal.aborted) {
		const start = performance.now();
		if (!document.hidden) {
			const [tag] = await backend.tag([await film.frame(SIDE)], { model: modelName() }, signal);
			times.push(performance.now());
			if (times.length > RATE_OVER) times.shift();
			const seconds = (times.at(-1) - times[0]) / 1000;
			show(tag, seconds ? `${((times.length - 1) / seconds).toFixed(0)} labels a second` : "");
		}
		await pause(Math.max(0, start + backend.pace - performance.now()));
	}
}

export class Camera {
	#modelName;
	#film = new Film(find("video"));

	/** `keep` takes a file; `modelName` tells which model to ask. */
	constructor({ keep, modelName }) {
		this.#modelName = modelName;
		find("camera-start").addEventListener("click", () => this.#start());
		find("camera-stop").addEventListener("click", () => {
			this.stop();
			find("camera-start").focus();
		});
		find("camera-keep").addEventListener("click", async () => {
			keep(await this.#film.frame(Infinity));
			announce("The photo is kept below.");
		});
	}

	/** Lets go of the camera. */
	stop(problem = "") {
		this.#film.close();
		this.#show(false, problem);
	}

	async #start() {
		this.stop();
		let signal;
		try {
			signal = await this.#film.open((problem) => this.stop(problem));
			if (!signal) return;
			this.#show(true);
			if (document.activeElement === document.body) find("camera-keep").focus();
			await labelFilm(this.#film, this.#modelName, signal, (tag, rate) => {
				showAnswer(find("camera-answer"), tag);
				find("rate").textContent = rate;
			});
		} catch (error) {
			if (!signal?.aborted) this.stop(`${error.message} ${error.hint ?? ""}`);
		}
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
