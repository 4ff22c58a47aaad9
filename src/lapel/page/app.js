// Puts the page together, on whichever backend.

import { useBackend } from "./backend.js";
import { Camera } from "./camera.js";
import { find } from "./dom.js";
import { startIntake } from "./intake.js";
import { Models } from "./models.js";
import { Pad } from "./pad.js";
import { addPhotos, startResults, useModel } from "./results.js";
import { startTabs } from "./tabs.js";

export function startApp(backend) {
	useBackend(backend);
	const models = new Models(useModel);
	const keepShot = (file) => (addPhotos([file]), wardrobe?.takeShot(file));
	const camera = new Camera({ keep: keepShot, modelName: () => models.chosen });
	new Pad({ keep: (file) => addPhotos([file], models.forDrawings), modelName: () => models.forDrawings });
	let teach, wardrobe;

	startResults();
	startIntake((files, place) => {
		if (!find("teach").hidden) return teach.take(files, place);
		if (!find("wardrobe").hidden) return wardrobe.take(files);
		addPhotos(files);
		const results = find("results");
		if (results.getBoundingClientRect().top > 0.75 * innerHeight) results.scrollIntoView();
	});
	startTabs({ camera: () => camera.stop(), teach: () => teach.stop() });
	window.addEventListener("pagehide", () => (camera.stop(), teach?.stop()));

	async function load() {
		try {
			const offered = await models.load();
			if (offered.wardrobe && !wardrobe) wardrobe = await (await import("./wardrobe.js")).startWardrobe();
			if (offered.teach && !teach) teach = await (await import("./teach.js")).startTeach(models);
		} catch {} // without a list, the backend's own choice is asked
	}

	document.addEventListener("token", load);
	load();
}
