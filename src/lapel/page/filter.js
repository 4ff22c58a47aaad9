// Chips, of which each leaves one group of photos to be seen.

import { make } from "./dom.js";

export class Filter {
	#place;
	#groupOf;
	#settings;
	#chips = new Map(); // group -> button
	#shown = ""; // the only group to be seen

	/**
	 * The chips stand in `place`; `groupOf` names the group of a photo, or nothing. Those of `last` come behind all
	 * others, `dotOf` gives the colour of a photo's chip, and `changed` is called when another group is chosen.
	 */
	constructor(place, groupOf, settings) {
		this.#place = place;
		this.#groupOf = groupOf;
		this.#settings = { last: [], dotOf: () => "", ...settings };
	}

	/** Counts the photos of each group; where there is one group, there is nothing to choose. */
	count(photos) {
		const groups = new Map();
		for (const photo of photos) {
			const name = this.#groupOf(photo);
			if (name) groups.set(name, [...(groups.get(name) ?? []), photo]);
		}
		if (!groups.has(this.#shown)) this.#shown = "";
		for (const [name, chip] of this.#chips) if (!groups.has(name)) chip.remove(), this.#chips.delete(name);
		for (const [name, [first, ...others]] of groups) {
			if (!this.#chips.has(name)) this.#add(name, this.#settings.dotOf(first));
			const chip = this.#chips.get(name);
			chip.querySelector("b").textContent = (others.length + 1).toLocaleString("en");
			chip.setAttribute("aria-pressed", name === this.#shown);
		}
		this.#place.hidden = groups.size < 2;
	}

	/** Whether a photo is to be seen. */
	shows(photo) {
		return !this.#shown || this.#groupOf(photo) === this.#shown;
	}

	#add(name, dot) {
		const chip = make("button", { className: "chip" }, name, " ", make("b"));
		if (dot) {
			chip.prepend(make("i", { className: "dye", ariaHidden: "true" }), " ");
			chip.querySelector(".dye").style.background = dot;
		}
		chip.addEventListener("click", () => {
			this.#shown = this.#shown === name ? "" : name;
			this.#settings.changed();
		});
		this.#place[this.#settings.last.includes(name) ? "append" : "prepend"](chip);
		this.#chips.set(name, chip);
	}
}
