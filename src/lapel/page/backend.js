// What the page asks of whoever labels its photos, wherever that is. A backend is an object with four methods, and its pace:
//
//   models()                            what there is: { models: [{ name, ready }], default, teach, wardrobe }
//   card(model)                         what a model says of itself, as its card does
//   tag(files, { model, picture }, signal)
//                                       a tag for each file, in their order: { label, confidence, accepted, reason,
//                                       alternatives: [{ label, confidence }], picture }, or { error, hint } for one
//                                       that cannot be read. `picture` asks for the picture that the model saw, and
//                                       is a URL in the answer.
//   explain(file, { model }, signal)    what mattered in a photo: { heat }, the URL of a picture to lay over the other
//
//   pace                                milliseconds from one picture of the camera to the next, at least
//
// Where models() says that it can teach, `teaching()` gives three functions more, which teach.js tells of.
//
// An empty model stands for the backend's own choice. All are promises. They wait by themselves while the backend is
// busy or away; where it says no they throw Refused, and where `signal` is aborted, its reason.

/** The backend's no: what is wrong and what to do. The status is that of HTTP; 0 where no answer came. */
export class Refused extends Error {
	constructor(status, { error, hint }) {
		super(error);
		this.status = status;
		this.hint = hint || "";
	}
}

/** The backend that the page asks; app.js chooses it. */
export let backend;

export function useBackend(chosen) {
	backend = chosen;
}
