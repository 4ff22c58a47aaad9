// All photos on the page: their cards, what came of them in sum, and the table to take away.

import { coloursOf, measure, saying, UNKNOWN } from "./answer.js";
import { Card } from "./card.js";
import { toCsv } from "./csv.js";
import { announce, counted, find, make } from "./dom.js";
import { Filter } from "./filter.js";
import { Photo, Queue } from "./queue.js";

const NEWS_EVERY = 5000; // milliseconds between two announcements of how far it is
const NO_ANSWER = "No answer";

const cards = new Map(); // photo -> card
const queue = new Queue(changed);
const news = new Set(); // photos that were done since nothing was left to do
let model = "";
let lastNews = 0;
let due; // the timer of the next refresh

/** Shows files as photos and asks for their labels; `pinned` is the model to ask, whichever is chosen. */
export function addPhotos(files, pinned) {
	const photos = files.map((file) => new Photo(file, model, pinned));
	for (const photo of photos) cards.set(photo, new Card(photo, { again: (one) => queue.add([one]), remove }));
	find("cards").prepend(...photos.map((photo) => cards.get(photo).element));
	queue.add(photos);
	refresh();
}

/** Asks another model from now on, and again for what is on the page. */
export function useModel(name) {
	model = name;
	queue.stop();
	const photos = [...cards.keys()].filter(({ pinned, state }) => !pinned || state === "stopped");
	for (const photo of photos) photo.model = photo.pinned || model;
	queue.add(photos);
}

export function startResults() {
	find("csv").addEventListener("click", download);
	find("stop").addEventListener("click", () => {
		queue.stop();
		refresh();
		find("resume").focus();
	});
	find("resume").addEventListener("click", () => {
		queue.add(inState("stopped"));
		refresh();
		find("stop").focus();
	});
	find("clear").addEventListener("click", () => {
		queue.stop();
		for (const photo of [...cards.keys()]) drop(photo);
		announce("All photos are removed.");
		find("choose").focus();
	});
}

const inState = (...states) => [...cards.keys()].filter(({ state }) => states.includes(state));

function changed(photo) {
	cards.get(photo)?.update();
	if (photo.tag || photo.failure) news.add(photo);
	due ??= setTimeout(refresh, 50);
}

function remove(photo) {
	const seen = [...find("cards").children].filter(({ hidden }) => !hidden);
	const place = seen.indexOf(cards.get(photo).element);
	const neighbour = seen[place + 1] ?? seen[place - 1];
	queue.remove(photo);
	drop(photo);
	(neighbour?.querySelector(".remove") ?? find("choose")).focus();
}

function drop(photo) {
	cards.get(photo).dispose();
	cards.delete(photo);
	news.delete(photo);
	due ??= setTimeout(refresh, 50);
}

const groupOf = ({ tag, failure }) => (tag ? saying(tag) : failure ? NO_ANSWER : "");

const filters = [
	new Filter(find("summary"), groupOf, { last: [UNKNOWN, NO_ANSWER], changed: refresh }),
	new Filter(find("colours"), ({ tag }) => coloursOf(tag)[0]?.name, {
		dotOf: ({ tag }) => coloursOf(tag)[0].hex,
		changed: refresh,
	}),
];

function refresh() {
	due = clearTimeout(due);
	const photos = [...cards.keys()];
	const done = inState("answered", "failed");
	const left = inState("waiting", "asked").length;
	find("results").hidden = !photos.length;
	find("tally").textContent = left ? `${done.length} of ${counted(photos.length, "photo")} done` : tally(photos);
	const share = done.length / (photos.length || 1);
	const progress = { hidden: !left, ariaValueNow: Math.round(100 * share) };
	Object.assign(measure(find("progress"), share), progress);
	find("csv").disabled = !done.length;
	find("stop").hidden = !left;
	find("resume").hidden = !inState("stopped").length;
	for (const filter of filters) filter.count(done);
	for (const [photo, { element }] of cards) element.hidden = !filters.every((filter) => filter.shows(photo));
	tellNews(done.length, photos.length, left);
}

function tally(photos) {
	const accepted = photos.filter(({ tag }) => tag?.accepted).length;
	const unknown = photos.filter(({ tag }) => tag && !tag.accepted).length;
	const failed = photos.filter(({ failure }) => failure).length;
	const parts = [`${accepted} labelled`, unknown && `${unknown} not known`, failed && `${failed} without an answer`];
	return `${counted(photos.length, "photo")}: ${parts.filter(Boolean).join(", ")}`;
}

function tellNews(done, all, left) {
	if (left && news.size && Date.now() - lastNews > NEWS_EVERY) {
		lastNews = Date.now();
		announce(`${done} of ${counted(all, "photo")} done`);
	} else if (!left && news.size) {
		const [{ name, tag, failure }] = news;
		announce(news.size > 1 ? tally([...news]) : `${name}: ${tag ? saying(tag) : failure.error}`);
		news.clear();
	}
}

function download() {
	const url = URL.createObjectURL(new Blob([toCsv([...cards.keys()])], { type: "text/csv" }));
	make("a", { href: url, download: "labels.csv" }).click();
	setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
