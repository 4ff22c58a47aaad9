// The wardrobe: photos that are added and kept, by kind and colour, what is there twice, and the outfits that were kept.

import * as wardrobe from "./backend-wardrobe.js";
import { coloursOf, measure } from "./answer.js";
import { announce, counted, find, make } from "./dom.js";
import { Filter } from "./filter.js";
import { GarmentDrawer } from "./garment.js";
import { nameOf, outfitOf, pieceOf } from "./pieces.js";
import { small } from "./thumbnail.js";

const SIDE = 1280; // pixels of the longer side of what is sent
const AT_ONCE = 4; // photos in a request
const LARGEST = 8e6; // bytes in a request, unless it is one photo

let view;

/** Puts the view with its markup and style on the page, and offers it as a tab; once, however often it is called. */
export const startWardrobe = () => (view ??= start());

async function start() {
	const style = make("link", { rel: "stylesheet", href: "page/wardrobe.css" });
	const styled = new Promise((resolve) => (style.onload = style.onerror = resolve));
	document.head.append(style);
	const [response] = await Promise.all([fetch("page/wardrobe.html"), styled]);
	const parts = make("template");
	parts.innerHTML = await response.text();
	for (const part of [...parts.content.children]) {
		const places = { wardrobe: find("wardrobe"), closet: document.querySelector("main"), camera: document.querySelector("#camera .side"), dialog: document.body };
		places[part.dataset.part].append(part);
	}
	const shown = new Wardrobe();
	find("tab-wardrobe").hidden = false;
	shown.load();
	return shown;
}

class Wardrobe {
	#garments = new Map(); // by id
	#kinds = []; // in the order in which they are shown
	#waiting = []; // files
	#run = null; // the AbortController of what is being added
	#shown = "garments";
	#drawer;
	#filters;

	constructor() {
		const on = (id, event, act) => find(id).addEventListener(event, act);
		for (const [button, input] of [["wardrobe-choose", "wardrobe-files"], ["wardrobe-take", "wardrobe-shot"]]) {
			on(button, "click", () => find(input).click());
			on(input, "change", ({ target }) => {
				this.take([...target.files]);
				target.value = "";
			});
		}
		on("wardrobe-stop", "click", () => this.#run?.abort());
		on("closet-clear", "click", () => this.#clear());
		on("closet-export", "click", () => this.#export());
		on("closet-views", "click", ({ target }) => target.dataset.view && this.#choose(target.dataset.view));
		this.#drawer = new GarmentDrawer(wardrobe, {
			sure,
			open: (id) => this.#garments.has(id) && this.#drawer.show(this.#garments.get(id)),
			changed: (garment) => this.#put([garment]),
			removed: (id) => {
				this.#garments.delete(id);
				this.#update();
				if (this.#shown !== "garments") this.#choose(this.#shown);
				find("closet-title").focus();
				announce("It is removed.");
			},
			kept: () => this.#shown === "outfits" && this.#choose("outfits"),
			closed: (id) => document.querySelector(`#closet [data-id="${id}"]`)?.focus(),
		});
		const changed = () => this.#update();
		this.#filters = [
			new Filter(find("closet-kinds"), ({ kind }) => kind, { changed }),
			new Filter(find("closet-colours"), (one) => coloursOf(one)[0]?.name, { dotOf: (one) => coloursOf(one)[0].hex, changed }),
		];
		this.#update();
	}

	async load() {
		await this.#try(() =>
			wardrobe.list((garments, known) => {
				this.#kinds = known.kinds;
				this.#drawer.know(known);
				this.#put(garments);
			}),
		);
	}

	/** Adds photos, a few at a time; whatever comes meanwhile waits behind them. */
	async take(files) {
		this.#waiting.push(...files);
		if (this.#run) return;
		const run = (this.#run = new AbortController());
		const sum = { added: 0, known: 0, refused: 0 };
		this.#problem("wardrobe-problem", "");
		find("wardrobe-refused").replaceChildren();
		this.#progress(sum);
		let group = [];
		try {
			while (this.#waiting.length) {
				group = await this.#group();
				run.signal.throwIfAborted();
				for (const row of await this.#send(group, run.signal)) this.#count(row, sum);
				this.#progress(sum);
			}
		} catch (error) {
			const left = counted(group.length + this.#waiting.length, "photo");
			if (!run.signal.aborted) this.#problem("wardrobe-problem", `${error.message} ${error.hint ?? ""} ${left} not added.`);
		} finally {
			this.#waiting = [];
			this.#run = null;
			this.#progress(sum);
			announce(summary(sum));
		}
	}

	/** Adds a photo of the camera, where that is wanted. */
	takeShot(file) {
		if (find("camera-wardrobe").checked) this.take([file]);
	}

	async #group() {
		const group = [];
		for (let bytes = 0; this.#waiting.length && group.length < AT_ONCE; ) {
			const file = await small(this.#waiting[0], SIDE);
			if (group.length && bytes + file.size > LARGEST) break;
			bytes += file.size;
			group.push(file);
			this.#waiting.shift();
		}
		return group;
	}

	/** What became of each; a photo that is too large for any request is one that cannot be added. */
	async #send(group, signal) {
		try {
			return await wardrobe.add(group, signal);
		} catch (error) {
			if (error.status !== 413) throw error;
			if (group.length === 1) return [{ error: `${group[0].name}: ${error.message}` }];
			const rows = [];
			for (const file of group) rows.push(...(await this.#send([file], signal)));
			return rows;
		}
	}

	#count({ garment, result, error }, sum) {
		if (garment) {
			sum[result] += 1;
			this.#put([garment]);
		} else {
			sum.refused += 1;
			find("wardrobe-refused").append(make("li", {}, error));
		}
	}

	#progress(sum) {
		const done = sum.added + sum.known + sum.refused;
		const all = done + this.#waiting.length;
		const stop = find("wardrobe-stop");
		const held = document.activeElement === stop;
		stop.hidden = !this.#run;
		find("wardrobe-adding").hidden = !this.#run && !done;
		find("wardrobe-count").textContent = this.#run ? `${done} of ${counted(Math.max(all, 1), "photo")} done` : summary(sum);
		const share = done / Math.max(all, 1);
		measure(find("wardrobe-progress"), share).ariaValueNow = Math.round(100 * share);
		find("wardrobe-progress").hidden = !this.#run;
		find("wardrobe-refused").hidden = !sum.refused;
		if (held && !this.#run) find("wardrobe-choose").focus();
	}

	#put(garments) {
		for (const garment of garments) this.#garments.set(garment.id, garment);
		this.#update();
	}

	#update() {
		const all = [...this.#garments.values()];
		for (const filter of this.#filters) filter.count(all);
		const seen = all.filter((garment) => this.#filters.every((filter) => filter.shows(garment)));
		const unsure = all.filter(({ sure: known }) => !known).length;
		const parts = [counted(all.length, "garment"), unsure && `${unsure} of which the kind is not sure`].filter(Boolean);
		find("closet-tally").textContent = all.length ? parts.join(", ") : "";
		find("closet-clear").disabled = find("closet-export").disabled = !all.length;
		find("closet-views").hidden = !all.length;
		const rails = this.#kinds.map((kind) => rail(kind, seen.filter((one) => one.kind === kind), this.#drawer)).filter(Boolean);
		find("closet-rails").replaceChildren(...(rails.length ? rails : [EMPTY()]));
		if (!all.length) this.#choose("garments");
	}

	async #choose(name) {
		this.#shown = name;
		for (const button of find("closet-views").children) button.ariaPressed = button.dataset.view === name;
		for (const part of document.querySelectorAll("#closet [data-shown]")) part.hidden = part.dataset.shown !== name;
		this.#problem("closet-problem", "");
		if (name === "twice") await this.#try(() => this.#showTwice());
		if (name === "outfits") await this.#try(() => this.#showOutfits());
	}

	async #showTwice() {
		const place = find("closet-twice");
		place.replaceChildren(make("p", { className: "help" }, "Comparing…"));
		const groups = await wardrobe.twice();
		const open = (id) => this.#drawer.show(this.#garments.get(id));
		const lists = groups.map(({ same, similarity, garments }) => {
			const title = same === "photo" ? "The same photo" : "The same garment, it seems";
			const pieces = garments.map((one) => pieceOf(one, one.thumbnail, "", open));
			for (const [place, { id }] of garments.entries()) pieces[place].firstElementChild.dataset.id = id;
			return make("div", { className: "outfit" }, make("h3", {}, title), make("ul", { className: "pieces" }, ...pieces), make("p", { className: "help" }, `${Math.floor(100 * similarity)} % alike. Open one to remove it.`));
		});
		place.replaceChildren(...(lists.length ? [make("div", { className: "outfits" }, ...lists)] : [make("p", { className: "empty" }, "Nothing seems to be here twice.")]));
		announce(lists.length ? counted(lists.length, "group") : "Nothing seems to be here twice.");
	}

	async #showOutfits() {
		const place = find("closet-outfits");
		const outfits = await wardrobe.outfits();
		const open = (id) => this.#drawer.show(this.#garments.get(id));
		const cards = outfits.map((outfit) => {
			const button = make("button", {}, "Drop this outfit");
			button.addEventListener("click", () => this.#try(() => this.#drop(outfit)));
			const pictures = Object.fromEntries(Object.values(outfit.garments).map(({ id, thumbnail }) => [id, thumbnail]));
			return outfitOf(outfit, pictures, open, button);
		});
		const none = "No outfit is kept yet. Open a garment, ask what goes with it, and keep what you like.";
		place.replaceChildren(...(cards.length ? [make("div", { className: "outfits" }, ...cards)] : [make("p", { className: "empty" }, none)]));
	}

	async #drop({ outfit }) {
		await wardrobe.drop(outfit);
		await this.#showOutfits();
		find("closet-title").focus();
		announce("The outfit is dropped.");
	}

	async #clear() {
		const all = counted(this.#garments.size, "garment");
		const yes = await sure(`Remove all of it?`, `${all}, their photos and your outfits are deleted on the machine of this service. Nothing brings them back.`, "Remove all");
		if (!yes) return;
		this.#run?.abort();
		await this.#try(async () => {
			await wardrobe.clear();
			this.#garments.clear();
			this.#update();
			announce("The wardrobe is empty.");
			find("wardrobe-choose").focus();
		});
	}

	async #export() {
		await this.#try(async () => {
			const url = URL.createObjectURL(await wardrobe.corrections());
			make("a", { href: url, download: "corrections.zip" }).click();
			setTimeout(() => URL.revokeObjectURL(url), 10_000);
		});
	}

	async #try(act) {
		this.#problem("closet-problem", "");
		try {
			await act();
		} catch ({ message, hint }) {
			this.#problem("closet-problem", `${message} ${hint ?? ""}`);
		}
	}

	#problem(id, text) {
		Object.assign(find(id), { textContent: text, hidden: !text });
	}
}

const EMPTY = () => make("p", { className: "empty" }, "Nothing hangs here yet. Add photos of your clothes above: each finds its place by itself.");

/** The garments of a kind on a rail; nothing where there is none. */
function rail(kind, garments, drawer) {
	if (!garments.length) return null;
	const items = garments.map((garment) => {
		const [first] = coloursOf(garment);
		const dots = coloursOf(garment).map(({ hex }) => {
			const dot = make("i", { className: "dye", ariaHidden: "true" });
			dot.style.background = hex;
			return dot;
		});
		const picture = make("img", { src: garment.thumbnail, alt: "", loading: "lazy", decoding: "async" });
		const caption = make("span", { className: "caption" }, ...dots, make("span", {}, first?.name ?? "", make("span", { className: "unseen" }, ` ${garment.kind}`)));
		const button = make("button", { className: "hanger" }, picture, caption);
		if (!garment.sure) button.append(make("span", { className: "doubt" }, "not sure"));
		button.dataset.id = garment.id;
		button.title = nameOf(garment);
		button.addEventListener("click", () => drawer.show(garment));
		return make("li", {}, button);
	});
	return make("section", { className: "kind-rail" }, make("h3", {}, kind, " ", make("span", { className: "help" }, garments.length.toLocaleString("en"))), make("ul", { className: "hangers" }, ...items));
}

function summary({ added, known, refused }) {
	const parts = [`${counted(added, "photo")} added`, known && `${known} there already`, refused && `${refused} not added`];
	return `${parts.filter(Boolean).join(", ")}.`;
}

/** Asks before something is removed for good; whether the answer is yes. */
function sure(title, text, yes) {
	const dialog = find("sure");
	find("sure-title").textContent = title;
	find("sure-text").textContent = text;
	find("sure-yes").textContent = yes;
	dialog.returnValue = "no";
	dialog.showModal();
	return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
