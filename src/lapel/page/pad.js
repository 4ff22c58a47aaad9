// The drawing pad: a garment of 28×28 dots by mouse, finger or keyboard, labelled while it is drawn.

import { saying, showAnswer } from "./answer.js";
import { backend } from "./backend.js";
import { announce, find } from "./dom.js";
import { Drawing, SIDE } from "./drawing.js";

const QUIET = 150; // milliseconds without a stroke before it is asked about
const NEWS_AFTER = 1200; // milliseconds before the label is said aloud

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
	#canvas = find("pad");
	#context = this.#canvas.getContext("2d");
	#drawing = new Drawing();
	#modelName;
	#last = null; // where the pen is while it is down
	#cursor = [SIDE / 2, SIDE / 2]; // where the keyboard's pen is
	#timer = null;
	#newsTimer = null;
	#request = null;

	/** `keep` takes a file; `modelName` tells which model to ask. */
	constructor({ keep, modelName }) {
		this.#modelName = modelName;
		this.#listenToPointer();
		this.#listenToKeys();
		find("pad-undo").addEventListener("click", () => this.#undo());
		find("pad-clear").addEventListener("click", () => {
			this.#drawing.clear();
			this.#show();
		});
		find("pad-keep").addEventListener("click", async () => {
			if (this.#drawing.isEmpty) return;
			keep(await this.#file());
			announce("The drawing is kept below.");
		});
		this.#show();
	}

	#listenToPointer() {
		const on = (event, act) => this.#canvas.addEventListener(event, act);
		on("pointerdown", (event) => {
			if (event.button !== 0 || !event.isPrimary) return;
			this.#canvas.setPointerCapture(event.pointerId);
			this.#down(this.#place(event));
		});
		on("pointermove", (event) => {
			if (this.#last && event.isPrimary) this.#move(this.#place(event));
		});
		for (const end of ["pointerup", "pointercancel"]) on(end, () => (this.#last = null));
	}

	#listenToKeys() {
		this.#canvas.addEventListener("keydown", (event) => {
			const arrow = ARROWS[event.key];
			const undo = event.key === "z" && (event.ctrlKey || event.metaKey);
			if (!arrow && event.key !== " " && !undo) return;
			event.preventDefault();
			if (undo) this.#undo();
			else if (arrow) this.#step(arrow);
			else if (!event.repeat) this.#down(this.#cursor);
		});
		this.#canvas.addEventListener("keyup", ({ key }) => key === " " && (this.#last = null));
		this.#canvas.addEventListener("blur", () => (this.#last = null));
	}

	#place({ clientX, clientY }) {
		const { left, top, width, height } = this.#canvas.getBoundingClientRect();
		return [((clientX - left) / width) * SIDE, ((clientY - top) / height) * SIDE];
	}

	#step(arrow) {
		this.#cursor = this.#cursor.map((at, axis) => Math.min(SIDE - 0.5, Math.max(0.5, at + arrow[axis])));
		if (this.#last) this.#move(this.#cursor);
		else this.#show(false);
	}

	#down(place) {
		this.#drawing.remember();
		if (this.#tool() === "fill") {
			this.#drawing.fill(place);
			this.#show();
		} else {
			this.#last = place;
			this.#move(place);
		}
	}

	#move(place) {
		const width = find("pad-width").valueAsNumber;
		this.#drawing.line(this.#last, place, width, this.#tool() === "eraser");
		this.#last = place;
		this.#show();
	}

	#tool() {
		return document.querySelector("input[name=tool]:checked").value;
	}

	#undo() {
		this.#drawing.undo();
		this.#show();
	}

	#show(changed = true) {
		this.#drawing.paint(this.#context);
		const [left, top] = this.#cursor.map((at) => `${(at / SIDE) * 100}%`);
		Object.assign(find("pad-cursor").style, { left, top });
		if (!changed) return;
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#ask(), QUIET);
	}

	async #ask() {
		this.#request?.abort();
		clearTimeout(this.#newsTimer);
		const request = (this.#request = new AbortController());
		if (this.#drawing.isEmpty) {
			find("pad-answer").replaceChildren();
			return;
		}
		try {
			const [tag] = await backend.tag([await this.#file()], { model: this.#modelName() }, request.signal);
			showAnswer(find("pad-answer"), tag);
			this.#newsTimer = setTimeout(() => announce(saying(tag)), NEWS_AFTER);
		} catch (error) {
			if (!request.signal.aborted) showAnswer(find("pad-answer"), { error: `${error.message} ${error.hint ?? ""}` });
		}
	}

	async #file() {
		const canvas = new OffscreenCanvas(SIDE, SIDE);
		this.#drawing.paint(canvas.getContext("2d"));
		return new File([await canvas.convertToBlob()], "drawing.png", { type: "image/png" });
	}
}
