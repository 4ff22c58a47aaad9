// What `lapel serve --teach` is asked beside the rest; backend.js says what for.

import { Refused } from "./backend.js";
import { ask, query } from "./backend-server.js";
import { pause } from "./dom.js";

const POLL = 250; // milliseconds between two questions how far a lesson is

export async function teach(classes, { model, onprogress }, signal) {
	const body = new FormData();
	for (const { name, files } of classes) for (const file of files) body.append(name, file, file.name);
	let lesson = await ask(`teach${query({ model })}`, { body, signal });
	try {
		while (lesson.state === "waiting" || lesson.state === "learning") {
			onprogress(lesson);
			await pause(POLL, signal);
			lesson = await ask(`teach/${lesson.lesson}`, { signal });
		}
	} catch (error) {
		if (signal?.aborted) forget(lesson.lesson).catch(() => {});
		throw error;
	}
	if (lesson.state === "failed") throw new Refused(400, lesson);
	return lesson;
}

export const modelFile = (lesson) => ask(`teach/${lesson}/model.onnx`, { read: (response) => response.blob() });

export const forget = (lesson) => ask(`teach/${lesson}`, { method: "DELETE", read: (response) => response.text() });
