// Which model is asked, and what it says of itself.

import { percent } from "./answer.js";
import { backend } from "./backend.js";
import { capitalized, counted, find, make } from "./dom.js";

const FOR_DRAWINGS = "fashion-mnist"; // has learned from pictures of 28×28 dots

export class Models {
	#names = [];

	/** `onchoice` is called with the name of the model that was chosen. */
	constructor(onchoice) {
		find("model").addEventListener("change", ({ target }) => onchoice(target.value));
		find("about-open").addEventListener("click", () => this.#about());
		find("about-close").addEventListener("click", () => find("about").close());
		find("about").addEventListener("click", ({ target }) => target === find("about") && find("about").close());
	}

	/** The model that was chosen; nothing where there is no choice. */
	get chosen() {
		return find("model").value;
	}

	/** The model for drawings. */
	get forDrawings() {
		return this.#names.includes(FOR_DRAWINGS) ? FOR_DRAWINGS : this.chosen;
	}

	/** The model that was chosen, unless it was taught here. */
	get base() {
		return this.#names.includes(this.chosen) ? this.chosen : "";
	}

	/** Asks which models there are; the backend's answer. */
	async load() {
		const found = await backend.models();
		const { models, default: first } = found;
		this.#names = models.map(({ name }) => name);
		find("model").replaceChildren(
			...models.map(({ name, ready }) =>
				make("option", { value: name, selected: name === first, disabled: !ready }, ready ? name : `${name} (loading)`),
			),
		);
		find("model-choice").hidden = models.length < 2;
		return found;
	}

	async #about() {
		const body = find("about-body");
		body.replaceChildren("One moment…");
		find("about").showModal();
		try {
			body.replaceChildren(...describe(await backend.card(this.chosen)));
		} catch ({ message, hint }) {
			body.replaceChildren(make("p", { className: "alert" }, `${message} ${hint}`));
		}
	}
}

/** The card of a model in plain words. */
function describe(card) {
	const { size, channels } = card.picture;
	const facts = [
		["Labels it knows", make("ul", { className: "classes" }, ...card.class_names.map((name) => make("li", {}, name)))],
		["Learned from", capitalized(card.made["trained on"] ?? card.made.dataset ?? "Its card does not say.")],
		["How often it is right", card.measured.length ? measured(card.measured) : "Its card does not say."],
		["When it says “I don’t know”", doubts(card)],
		["What it sees", `Every photo becomes ${size} × ${size} dots${channels === 3 ? " in colour" : " of grey"}.`],
	];
	const rows = facts.map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text)));
	return [make("p", { className: "woven" }, card.name), make("dl", {}, ...rows)];
}

function measured(rows) {
	const items = rows.map(({ dataset, split, accuracy, interval: [low, high], pictures }) => {
		const range = `${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)}\u00a0%`;
		const share = make("strong", {}, `${(accuracy * 100).toFixed(1)}\u00a0%`);
		return make("li", {}, share, ` of ${counted(pictures, "picture")} (${dataset}, ${split}); 95\u00a0% interval ${range}.`);
	});
	return make("ul", {}, ...items);
}

function doubts({ accept, rejects }) {
	const refusals = rejects.length ? `, or where it sees: ${rejects.join("; ")}` : "";
	return accept ? `Where its score is below ${percent(accept)}${refusals}.` : "Never: every label is accepted.";
}
