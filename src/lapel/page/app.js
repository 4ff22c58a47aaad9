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
	const camera = new Camera({ keep: (file) => addPhotos([file]), modelName: () => models.chosen });
	new Pad({ keep: (file) => addPhotos([file], models.forDrawings), modelName: () => models.forDrawings });
	let teach;

	startResults();
	startIntake((files, place) => {
		if (!find("teach").hidden) return teach.take(files, place);
		addPhotos(files);
		const results = find("results");
		if (results.getBoundingClientRect().top > 0.75 * innerHeight) results.scrollIntoView();
	});
	startTabs({ camera: () => camera.stop(), teach: () => teach.stop() });
	window.addEventListener("pagehide", () => (camera.stop(), teach?.stop()));

	async function load() {
		try {
			if (!(await models.load()).teach || teach) return;
			teach = await (await import("./teach.js")).startTeach(models);
		} catch {} // without a list, the backend's own choice is asked
	}

	document.addEventListener("token", load);
	load();
}
