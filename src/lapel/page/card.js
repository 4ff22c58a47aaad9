// One photo on the page: its picture, its label, and why.

import { bars, coloursOf, dyes, reasonOf, saying } from "./answer.js";
import { backend } from "./backend.js";
import { announce, capitalized, find } from "./dom.js";
import { thumbnail } from "./thumbnail.js";

const TITLES = { waiting: "Waiting", asked: "Looking…", failed: "Not readable", stopped: "Stopped" };

export class Card {
	#photo;
	#parts;
	#thumbnail;

	/** `again` and `remove` are called with the photo. */
	constructor(photo, { again, remove }) {
		this.#photo = photo;
		this.element = find("card-template").content.firstElementChild.cloneNode(true);
		const parts = [...this.element.querySelectorAll("[class]")].map((part) => [part.classList[0], part]);
		this.#parts = Object.fromEntries(parts);
		this.#parts.name.textContent = this.#parts.name.title = photo.name;
		this.#button("again", `Try again: ${photo.name}`, () => {
			again(photo);
			this.#parts.remove.focus();
		});
		this.#button("why", `Why? ${photo.name}`, () => this.#why());
		this.#button("remove", `Remove ${photo.name}`, () => remove(photo));
		this.#thumbnail = this.#showThumbnail();
		this.update();
	}

	/** Shows the state that the photo is in now. */
	update() {
		const { state, tag, failure } = this.#photo;
		const { woven, answer, again, why, swatch, seen } = this.#parts;
		this.element.dataset.state = state;
		woven.classList.toggle("pinned", !tag?.accepted);
		woven.textContent = tag ? saying(tag) : failure?.again ? "No answer" : TITLES[state];
		this.#write("verdict", tag ? reasonOf(tag) : failure && this.#complaint(failure));
		answer.replaceChildren(...(tag ? [bars(tag)] : []));
		this.#parts.dyes.replaceChildren(...dyes(tag));
		this.#parts.dyes.hidden = !coloursOf(tag).length;
		again.hidden = state !== "stopped" && !failure?.again;
		why.hidden = !tag;
		swatch.hidden = !tag?.picture;
		if (tag?.picture) seen.src = tag.picture;
		this.#explain(false);
	}

	/** Takes the card off the page and lets go of what it holds. */
	async dispose() {
		this.element.remove();
		URL.revokeObjectURL(await this.#thumbnail);
	}

	#button(name, label, act) {
		this.#parts[name].setAttribute("aria-label", label);
		this.#parts[name].addEventListener("click", act);
	}

	#write(name, text) {
		Object.assign(this.#parts[name], { textContent: text || "", hidden: !text });
	}

	#complaint({ error, hint }) {
		const own = `${this.#photo.name}: `; // the card says the name already
		return `${capitalized(error.startsWith(own) ? error.slice(own.length) : error)} ${hint ?? ""}`;
	}

	async #showThumbnail() {
		const url = await thumbnail(this.#photo.file, () => this.element.isConnected);
		if (url) Object.assign(this.#parts.photo, { src: url, hidden: false });
		else this.#write("unseen-kind", /\.(\w{1,5})$/.exec(this.#photo.name)?.[1].toUpperCase() ?? "?");
		return url;
	}

	get #isExplained() {
		return this.element.classList.contains("explained");
	}

	async #why() {
		const { tag, file, model } = this.#photo;
		this.#explain(!this.#isExplained);
		if (!this.#isExplained || tag.heat) return;
		try {
			({ heat: tag.heat } = await backend.explain(file, { model }));
		} catch ({ message }) {
			this.#explain(false);
			this.#write("reading", message);
			return;
		}
		if (tag === this.#photo.tag && this.#isExplained) {
			this.#explain(true);
			announce(this.#parts.reading.textContent);
		}
	}

	/** Lays the heat map over the picture that the model saw, as soon as it is there; or takes it away. */
	#explain(wanted) {
		const { why, heat } = this.#parts;
		const { tag } = this.#photo;
		why.setAttribute("aria-pressed", wanted);
		this.element.classList.toggle("explained", wanted);
		heat.hidden = !wanted || !tag.heat;
		if (!heat.hidden) heat.src = tag.heat;
		const reading = heat.hidden ? "Looking where it looked…" : `Yellow spots speak most for “${tag.label}”; where there are none, no single part decides.`;
		this.#write("reading", wanted && reading);
	}
}
