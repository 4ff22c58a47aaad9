// The worker in which the model runs, so that the page stays quick: reads photos, asks the model, makes tags.

import { findColours } from "./colour.js";
import { decode } from "./decode.js";
import { heatOf } from "./heat.js";
import { loadModel } from "./model.js";
import { preparePicture, workingSide } from "./picture.js";
import { toDataUrl } from "./png.js";
import { isDoubtful, mirror, tagOf } from "./tags.js";

const SEVERAL = 7; // pictures that the model is asked about at once

const loading = loadModel((done, all) => postMessage({ done, all }));
loading.catch(() => {}); // each request tells of it
let last = Promise.resolve();

/** A request { id, verb, files, picture } is answered by { id, answer } or { id, failure: { message, hint } }. */
addEventListener("message", ({ data: { id, verb, ...request } }) => {
	last = last.then(async () => {
		try {
			postMessage({ id, answer: await verbs[verb](await loading, request) });
		} catch ({ message, hint }) {
			postMessage({ id, failure: { message, hint } });
		}
	});
});

const verbs = {
	card: ({ card }) => card,
	async tag(model, { files, picture }) {
		const tags = [];
		for (const file of files) tags.push(await tag(model, file, picture));
		return tags;
	},
	async explain(model, { files: [file] }) {
		const picture = await read(model, file);
		const { probabilities } = await look(model, picture);
		const label = probabilities.indexOf(Math.max(...probabilities));
		const ask = async (pictures) => {
			const shares = [];
			for (let at = 0; at < pictures.length; at += SEVERAL) {
				const answers = await lookAtAll(model, pictures.slice(at, at + SEVERAL));
				shares.push(...answers.map((answer) => answer.probabilities[label]));
			}
			return shares;
		};
		return { heat: await toDataUrl(await heatOf(picture, ask, model.heat)) };
	},
};

async function tag(model, file, wantsPicture) {
	try {
		const picture = await read(model, file);
		const found = tagOf(file.name, await look(model, picture), model.card);
		found.colours = findColours(picture, model.colours);
		if (wantsPicture) found.picture = await toDataUrl(picture);
		return found;
	} catch (error) {
		if (!("hint" in error)) throw error;
		return { error: error.message, hint: error.hint };
	}
}

async function read({ card, limits }, file) {
	const spec = card.picture;
	const photo = await decode(file, { side: workingSide(spec), longest: spec.size, limits });
	const picture = preparePicture(photo, spec);
	if (picture) return picture;
	const hint = "Take the photo again, with more light and all of the garment in it.";
	throw Object.assign(new Error(`${file.name}: all of one colour; there is nothing to be seen in it.`), { hint });
}

const look = async (model, picture) => (await lookAtAll(model, [picture]))[0];

/** The shares of classes and rejects; where the card wants a second look, doubtful pictures are mirrored as well. */
async function lookAtAll({ card, ask }, pictures) {
	const answers = await ask(pictures);
	for (const [place, answer] of answers.entries()) {
		if (!isDoubtful(answer.probabilities, card.second_look)) continue;
		const [second] = await ask([mirror(pictures[place])]);
		for (const name of ["probabilities", "rejected"]) {
			answer[name] = answer[name].map((share, at) => Math.fround((share + second[name][at]) / 2));
		}
	}
	return answers;
}
