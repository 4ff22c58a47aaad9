// Teaching own classes: a few photos of each, and a model that tells them apart. A backend's teaching() gives
//
//   teach(classes, { model, onprogress }, signal)
//                       a model of own classes, [{ name, files }], on top of another: { lesson, classes: [{ label,
//                       photos, right }], skipped: [{ error }] }. The lesson is then the name of a model.
//                       `onprogress` is called with { done, photos }
//   modelFile(lesson)   the file of that model, as a Blob
//   forget(lesson)      it is not needed any more

import { measure, showAnswer } from "./answer.js";
import { backend } from "./backend.js";
import { labelFilm } from "./camera.js";
import { announce, counted, find, make } from "./dom.js";
import { Film } from "./film.js";
import { Kind } from "./kind.js";
import { choose } from "./tabs.js";
import { small } from "./thumbnail.js";

const LEAST = 2; // classes, and photos of each
const MOST_CLASSES = 50;
const SIDE = 512; // pixels of the longer side of what is sent: more than any model sees

let view;

/** Puts the view with its markup and style on the page, and offers it as a tab; once, however often it is called. */
export const startTeach = (models) => (view ??= start(models));

async function start(models) {
	const style = make("link", { rel: "stylesheet", href: "page/teach.css" });
	const styled = new Promise((resolve) => (style.onload = style.onerror = resolve));
	document.head.append(style);
	const [teaching, response] = await Promise.all([backend.teaching(), fetch("page/teach.html"), styled]);
	find("teach").innerHTML = await response.text();
	const teach = new Teach(models, teaching);
	find("tab-teach").hidden = false;
	return teach;
}

class Teach {
	#models;
	#teaching;
	#kinds = [];
	#made = 0; // classes so far
	#film = new Film(find("teach-video"));
	#signal = null; // while the camera runs
	#looking = null; // the AbortController of the labels that follow it
	#lesson = ""; // what was taught last
	#run = null; // the AbortController of what is being taught
	#last; // the class that photos came to last

	constructor(models, teaching) {
		this.#models = models;
		this.#teaching = teaching;
		for (let count = 0; count < LEAST; count++) this.#add();
		const on = (id, act) => find(id).addEventListener("click", act);
		on("kind-add", () => this.#add().focus());
		on("teach-go", () => this.#teach());
		on("teach-stop", () => this.#run?.abort());
		on("teach-camera-start", () => this.#start());
		on("teach-camera-stop", () => {
			this.stop();
			find("teach-camera-start").focus();
		});
		on("teach-download", () => this.#download());
		on("teach-try", () => {
			choose(find("tab-photos"));
			find("choose").focus();
		});
	}

	/** Takes files for the class that lies there on the page, or else for the one that got some last. */
	take(files, place) {
		const kind = this.#kinds.find(({ element }) => element.contains(place)) ?? this.#last ?? this.#kinds[0];
		this.#last = kind;
		kind.add(files);
		announce(`${counted(files.length, "photo")} for ${kind.name}`);
	}

	/** Lets go of the camera. */
	stop(problem = "") {
		this.#film.close();
		this.#signal = null;
		this.#showCamera(problem);
	}

	#add() {
		const kind = new Kind(`Class ${++this.#made}`, {
			frame: () => this.#film.frame(SIDE),
			onchange: () => this.#update(),
			remove: (one) => this.#remove(one),
		});
		kind.canFilm = Boolean(this.#signal);
		this.#kinds.push(kind);
		find("kinds").append(kind.element);
		this.#update();
		return kind;
	}

	#remove(kind) {
		const place = this.#kinds.indexOf(kind);
		this.#kinds.splice(place, 1);
		if (this.#last === kind) this.#last = undefined;
		kind.dispose();
		announce(`${kind.name} is removed.`);
		if (this.#kinds.length) (this.#kinds[place] ?? this.#kinds[place - 1]).focus();
		else this.#add().focus();
		this.#update();
	}

	/** What is missing before this can be taught; nothing where nothing is. */
	#missing() {
		const names = this.#kinds.map(({ name }) => name.toLowerCase());
		const twice = this.#kinds.find(({ name }, place) => names.indexOf(name.toLowerCase()) < place);
		for (const kind of this.#kinds) kind.isWrong = !kind.name || kind === twice;
		if (names.includes("")) return "Every class needs a name.";
		if (twice) return `Two classes are called “${twice.name}”.`;
		if (this.#kinds.length < LEAST) return "One more class is needed: what is it to be told from?";
		const poor = this.#kinds.find(({ photos }) => photos.length < LEAST);
		return poor ? `“${poor.name}” needs ${counted(LEAST - poor.photos.length, "more photo")}.` : "";
	}

	#update() {
		const missing = this.#missing();
		find("teach-missing").textContent = missing;
		find("teach-go").disabled = Boolean(missing || this.#run);
		find("kind-add").disabled = this.#kinds.length >= MOST_CLASSES;
	}

	// The camera

	async #start() {
		this.stop();
		try {
			this.#signal = await this.#film.open((problem) => this.stop(problem));
		} catch ({ message }) {
			this.stop(message);
			return;
		}
		if (!this.#signal) return;
		this.#showCamera();
		if (document.activeElement === document.body) find("teach-camera-stop").focus();
		this.#look();
	}

	/** Labels what the camera sees with what was taught. */
	async #look() {
		const lesson = this.#lesson;
		if (!this.#signal || !lesson) return;
		this.#looking?.abort();
		this.#looking = new AbortController();
		const both = AbortSignal.any([this.#signal, this.#looking.signal]);
		try {
			await labelFilm(this.#film, () => lesson, both, (tag, rate) => {
				if (both.aborted) return;
				showAnswer(find("teach-answer"), tag);
				find("teach-rate").textContent = rate;
			});
		} catch (error) {
			if (!both.aborted) this.stop(`${error.message} ${error.hint ?? ""}`);
		}
	}

	#showCamera(problem = "") {
		const running = Boolean(this.#signal);
		find("teach-camera-start").hidden = running;
		find("teach-camera-stop").hidden = !running;
		find("teach-hint").hidden = running;
		find("teach-steps").hidden = running && Boolean(this.#lesson);
		Object.assign(find("teach-camera-problem"), { textContent: problem, hidden: !problem });
		for (const kind of this.#kinds) kind.canFilm = running;
		if (running) return;
		find("teach-answer").replaceChildren();
		find("teach-rate").textContent = "";
	}

	// Teaching

	async #teach() {
		const run = (this.#run = new AbortController());
		this.#showRun(true);
		try {
			const began = performance.now();
			const classes = await this.#prepare(run.signal);
			const settings = { model: this.#models.base, onprogress: ({ done, photos }) => this.#progress("Learning", done, photos) };
			const lesson = await this.#teaching.teach(classes, settings, run.signal);
			this.#taught(lesson, (performance.now() - began) / 1000);
		} catch (error) {
			if (run.signal.aborted) announce("Stopped.");
			else Object.assign(find("teach-problem"), { textContent: `${error.message} ${error.hint ?? ""}`, hidden: false });
		} finally {
			this.#run = null;
			this.#showRun(false);
		}
	}

	/** The classes with their photos, made small enough to be sent. What the browser cannot read goes as it is. */
	async #prepare(signal) {
		const all = this.#kinds.reduce((sum, { photos }) => sum + photos.length, 0);
		const classes = [];
		let done = 0;
		for (const { name, photos } of this.#kinds) {
			const files = [];
			for (const { file } of photos) {
				signal.throwIfAborted();
				files.push(await small(file, SIDE));
				this.#progress("Preparing", ++done, all);
			}
			classes.push({ name, files });
		}
		return classes;
	}

	#progress(verb, done, all) {
		find("teach-missing").textContent = `${verb}: ${done} of ${counted(all, "photo")}`;
		const share = done / (all || 1);
		measure(find("teach-progress"), share).ariaValueNow = Math.round(100 * share);
	}

	#showRun(running) {
		const stop = find("teach-stop");
		const held = document.activeElement === stop;
		if (running) {
			measure(find("teach-progress"), 0).ariaValueNow = 0;
			find("teach-problem").hidden = true;
		}
		find("teach-progress").hidden = stop.hidden = !running;
		this.#update();
		if (running) stop.focus();
		else if (held) find("teach-go").focus();
	}

	#taught(lesson, seconds) {
		const before = this.#lesson;
		this.#lesson = lesson.lesson;
		const right = lesson.classes.reduce((sum, one) => sum + one.right, 0);
		const all = lesson.classes.reduce((sum, one) => sum + one.photos, 0);
		const text = `From ${counted(all, "photo")}, in ${seconds.toFixed(1)} seconds. Each was asked about while it was left out: ${right} of ${all} came out right.`;
		find("teach-result").textContent = text;
		find("teach-classes").replaceChildren(...lesson.classes.map(score));
		find("teach-skipped").textContent = lesson.skipped.map(({ error }) => `Left out: ${error}`).join(" ");
		find("teach-outcome").hidden = false;
		find("teach-go").textContent = "Teach again";
		announce(`It has learned. ${text}`);
		askTaught(this.#lesson);
		if (before) this.#teaching.forget(before).catch(() => {});
		this.#showCamera();
		this.#look();
	}

	async #download() {
		try {
			const url = URL.createObjectURL(await this.#teaching.modelFile(this.#lesson));
			make("a", { href: url, download: "own-classes.onnx" }).click();
			setTimeout(() => URL.revokeObjectURL(url), 10_000);
		} catch ({ message, hint }) {
			Object.assign(find("teach-problem"), { textContent: `${message} ${hint}`, hidden: false });
		}
	}
}

/** Asks what was taught last in the place of what was before, wherever the page asks a model. */
function askTaught(lesson) {
	const choice = find("model");
	choice.querySelector("[data-taught]")?.remove();
	const option = make("option", { value: lesson, selected: true }, "own classes");
	option.dataset.taught = "";
	choice.append(option);
	find("model-choice").hidden = false;
	choice.dispatchEvent(new Event("change"));
}

function score({ label, photos, right }) {
	const tape = measure(make("span", { className: "tape", ariaHidden: "true" }), right / photos);
	return make("li", {}, make("span", {}, label), " ", make("span", { className: "share" }, `${right} of ${photos}`), tape);
}
