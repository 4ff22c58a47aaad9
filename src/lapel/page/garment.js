// One garment of the wardrobe, in a drawer: its photo, what is said of it and can be set right, and what goes with it.

import { dyes, percent } from "./answer.js";
import { announce, find, make } from "./dom.js";
import { outfitOf, pieceOf } from "./pieces.js";

const MOST_COLOURS = 3;

export class GarmentDrawer {
	#wardrobe;
	#known = { kinds: [], labels: [], colours: [] };
	#garment;
	#photo = "";
	#settings;

	/**
	 * `wardrobe` is asked; `changed` is called with a garment that was set right, `removed` with its id, `kept` with an
	 * outfit, `closed` with the id of the garment that was shown last; `sure` asks before something is removed, and `open`
	 * is called with the id of another garment to be shown.
	 */
	constructor(wardrobe, settings) {
		this.#wardrobe = wardrobe;
		this.#settings = settings;
		const on = (id, event, act) => find(id).addEventListener(event, act);
		on("garment-close", "click", () => find("garment").close());
		on("garment", "click", ({ target }) => target === find("garment") && find("garment").close());
		on("garment", "close", () => {
			URL.revokeObjectURL(this.#photo);
			settings.closed(this.#garment.id);
		});
		on("garment-match", "click", () => this.#busy(find("garment-match"), () => this.#match()));
		on("garment-similar", "click", () => this.#busy(find("garment-similar"), () => this.#similar()));
		on("garment-remove", "click", () => this.#busy(find("garment-remove"), () => this.#remove()));
		on("garment-shades", "change", () => this.#limit());
		on("garment-form", "submit", (event) => {
			event.preventDefault();
			this.#busy(event.submitter, () => this.#save());
		});
	}

	/** What garments may be called. */
	know(known) {
		this.#known = known;
	}

	show(garment) {
		this.#garment = garment;
		this.#write();
		find("garment-correct").open = !garment.sure;
		find("garment-found").replaceChildren();
		this.#complain("");
		if (!find("garment").open) find("garment").showModal();
		find("garment").scrollTop = 0;
		this.#showPhoto(garment);
	}

	async #showPhoto({ id, thumbnail }) {
		const image = find("garment-photo");
		image.src = thumbnail;
		try {
			const url = URL.createObjectURL(await this.#wardrobe.photo(id));
			URL.revokeObjectURL(this.#photo);
			this.#photo = url;
			if (this.#garment.id === id) image.src = url;
		} catch {} // the small picture does
	}

	#write() {
		const { kind, sure, label, score, kind_score, accepted, reason, colours, corrected } = this.#garment;
		find("garment-title").textContent = sure ? kind : `${kind}?`;
		find("garment-photo").alt = `Your photo of it`;
		find("garment-dyes").replaceChildren(...dyes({ colours }));
		const said = [];
		if (corrected.includes("kind")) said.push(`You said that it is: ${kind}.`);
		else said.push(sure ? `${percent(kind_score)} sure of the kind.` : `Not sure of the kind (${percent(kind_score)}): say what it is, and outfits count on it.`);
		if (corrected.includes("label")) said.push(`You labelled it: ${label}.`);
		else said.push(accepted ? `Label: ${label}, ${percent(score)}.` : `Label: I don’t know; ${reason} (closest: ${label}).`);
		find("garment-verdict").textContent = said.join(" ");
		fill(find("garment-kind"), this.#known.kinds, kind);
		fill(find("garment-label"), this.#known.labels, label);
		const own = colours.map(({ name }) => name);
		find("garment-shades").replaceChildren(...this.#known.colours.map((colour) => shade(colour, own.includes(colour.name))));
		this.#limit();
	}

	/** No more colours can be chosen than a garment has. */
	#limit() {
		const boxes = [...find("garment-shades").querySelectorAll("input")];
		const full = boxes.filter(({ checked }) => checked).length >= MOST_COLOURS;
		for (const box of boxes) box.disabled = full && !box.checked;
	}

	async #save() {
		const { id, kind, label, sure, accepted, colours } = this.#garment;
		const values = {};
		const [newKind, newLabel] = [find("garment-kind").value, find("garment-label").value];
		if (newKind !== kind || !sure) values.kind = newKind;
		if (newLabel !== label) values.label = newLabel;
		const chosen = [...find("garment-shades").querySelectorAll("input:checked")].map(({ value }) => value);
		const before = colours.map(({ name }) => name);
		// Those that were there stay in front, in the order of their shares.
		const after = [...before.filter((name) => chosen.includes(name)), ...chosen.filter((name) => !before.includes(name))];
		if (String(after) !== String(before)) values.colours = after;
		if (!Object.keys(values).length && !accepted) values.label = newLabel;
		if (Object.keys(values).length) {
			this.#garment = await this.#wardrobe.correct(id, values);
			this.#write();
			this.#settings.changed(this.#garment);
		}
		find("garment-correct").open = false;
		find("garment-correct").firstElementChild.focus();
		announce("Kept.");
	}

	async #remove() {
		const { id, kind } = this.#garment;
		if (!(await this.#settings.sure(`Remove this ${kind.toLowerCase()}?`, "Its photo is deleted, and so are the outfits that it is part of.", "Remove"))) return;
		await this.#wardrobe.remove(id);
		find("garment").close();
		this.#settings.removed(id);
	}

	async #similar() {
		const hits = await this.#wardrobe.similar(this.#garment.id);
		const pieces = hits.map((hit) => pieceOf(hit, hit.thumbnail, `${percent(Math.max(0, hit.similarity))} alike`, this.#settings.open));
		this.#tell("The most alike", pieces.length ? make("ul", { className: "pieces" }, ...pieces) : make("p", {}, "There is nothing else yet."));
	}

	async #match() {
		// The kind is the one that the person sees here, sure or not.
		const { suggestions, outfits, remarks, thumbnails } = await this.#wardrobe.match(this.#garment.id, this.#garment.kind);
		const parts = [];
		for (const outfit of outfits) {
			const keep = make("button", {}, "Keep this outfit");
			keep.addEventListener("click", () => this.#busy(keep, () => this.#keep(outfit, keep)));
			parts.push(outfitOf(outfit, thumbnails, this.#settings.open, keep));
		}
		for (const { role, garments, missing } of suggestions) {
			const pieces = garments.map((one) => pieceOf(one, thumbnails[one.id], one.reasons.join("; "), this.#settings.open));
			parts.push(make("h4", {}, ROLES[role] ?? role), pieces.length ? make("ul", { className: "pieces told" }, ...pieces) : make("p", { className: "help" }, `There is ${missing}.`));
		}
		for (const remark of remarks) parts.push(make("p", { className: "help" }, remark));
		parts.push(make("p", { className: "help" }, "By rules about kinds and colours that people wrote down; your taste is your own."));
		this.#tell(outfits.length ? "Outfits with it" : "What goes with it", ...parts);
	}

	async #keep({ garments }, button) {
		const ids = Object.entries(garments).map(([role, { id }]) => [role, id]);
		this.#settings.kept(await this.#wardrobe.keep(Object.fromEntries(ids)));
		button.textContent = "Kept";
		button.dataset.done = "";
		announce("The outfit is kept.");
	}

	#tell(title, ...parts) {
		const heading = make("h3", { tabIndex: -1 }, title);
		find("garment-found").replaceChildren(heading, ...parts);
		heading.scrollIntoView({ block: "nearest" });
		heading.focus({ preventScroll: true });
	}

	/** Does it while the button can't be pressed again, and says in place what goes wrong. */
	async #busy(button, act) {
		if (button.ariaDisabled === "true" || "done" in button.dataset) return;
		button.ariaDisabled = "true";
		this.#complain("");
		try {
			await act();
		} catch ({ message, hint }) {
			this.#complain(`${message} ${hint ?? ""}`);
		} finally {
			button.ariaDisabled = "false";
		}
	}

	#complain(problem) {
		Object.assign(find("garment-problem"), { textContent: problem, hidden: !problem });
	}
}

const ROLES = { top: "Tops", bottom: "Trousers, skirts, shorts", dress: "Dresses", shoes: "Shoes", outer: "Over it", bag: "Bags", hat: "Hats" };

function fill(select, names, chosen) {
	select.replaceChildren(...names.map((name) => make("option", { value: name, selected: name === chosen }, name)));
}

function shade({ name, hex }, checked) {
	const dot = make("i", { className: "dye", ariaHidden: "true" });
	dot.style.background = hex;
	return make("label", { className: "shade" }, make("input", { type: "checkbox", value: name, checked }), dot, name);
}
