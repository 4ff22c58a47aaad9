// One class that is taught: its name, its photos, and the ways in which they come.

import { announce, counted, find, make } from "./dom.js";
import { thumbnail } from "./thumbnail.js";

const MOST = 200; // photos
const FRAME_EVERY = 150; // milliseconds
const BURST = 10; // frames where the button is pressed by other means than a finger or a key

export class Kind {
	photos = []; // { file, item, url }
	#parts;
	#frame;
	#onchange;
	#filming = false;

	/** `frame` takes a picture with the camera; `onchange` is called when there is something new, `remove` to go. */
	constructor(name, { frame, onchange, remove }) {
		this.#frame = frame;
		this.#onchange = onchange;
		this.element = find("kind-template").content.firstElementChild.cloneNode(true);
		const parts = [...this.element.querySelectorAll("[class]")].map((part) => [part.classList[0], part]);
		this.#parts = Object.fromEntries(parts);
		const { "kind-name": field, "kind-choose": choose, "kind-files": files } = this.#parts;
		field.value = name;
		field.addEventListener("input", () => this.#update());
		field.addEventListener("blur", () => (field.value = this.name));
		choose.addEventListener("click", () => files.click());
		files.addEventListener("change", () => {
			this.add([...files.files]);
			files.value = "";
		});
		this.#parts["kind-remove"].addEventListener("click", () => remove(this));
		this.#listenToFilm(this.#parts["kind-film"]);
		this.#update();
	}

	get name() {
		return this.#parts["kind-name"].value.trim();
	}

	/** Adds photos, as many as there is room for. */
	add(files) {
		const room = MOST - this.photos.length;
		if (files.length > room) announce(`A class takes ${MOST} photos; ${counted(files.length - room, "photo")} left out.`);
		for (const file of files.slice(0, room)) this.#show(file);
		this.#update();
	}

	/** Marks the name as one that cannot be taken; or as one that can. */
	set isWrong(wrong) {
		this.#parts["kind-name"].setAttribute("aria-invalid", wrong);
	}

	/** Shows the button to film while there is a camera. */
	set canFilm(can) {
		this.#parts["kind-film"].hidden = !can;
	}

	focus() {
		this.#parts["kind-name"].select();
		this.#parts["kind-name"].focus();
	}

	dispose() {
		this.#filming = false;
		this.element.remove();
		for (const photo of this.photos) photo.url.then((url) => url && URL.revokeObjectURL(url));
	}

	#show(file) {
		const button = make("button", {});
		const item = make("li", {}, button);
		const url = thumbnail(file, () => item.isConnected);
		const photo = { file, item, url };
		url.then((address) => button.append(address ? make("img", { src: address, alt: "" }) : make("span", {}, file.name)));
		button.addEventListener("click", () => this.#drop(photo));
		this.photos.push(photo);
		this.#parts.shots.append(item);
	}

	#drop(photo) {
		const place = this.photos.indexOf(photo);
		this.photos.splice(place, 1);
		photo.item.remove();
		photo.url.then((url) => url && URL.revokeObjectURL(url));
		this.#update();
		const next = this.photos[place] ?? this.photos[place - 1];
		(next ? next.item.firstElementChild : this.#parts["kind-choose"]).focus();
	}

	#update() {
		const { shots, "kind-count": count } = this.#parts;
		const name = this.name || "this class";
		shots.hidden = !this.photos.length;
		count.textContent = this.photos.length ? counted(this.photos.length, "photo") : "No photos yet";
		const labels = { "kind-name": "Name of the class", "kind-remove": `Remove ${name}`, "kind-choose": `Add photos to ${name}`, "kind-film": `Hold to film ${name}` };
		for (const [part, label] of Object.entries(labels)) this.#parts[part].setAttribute("aria-label", label);
		shots.setAttribute("aria-label", `Photos of ${name}`);
		for (const [place, { item }] of this.photos.entries()) item.firstElementChild.setAttribute("aria-label", `Remove photo ${place + 1} of ${name}`);
		this.#onchange();
	}

	#listenToFilm(button) {
		const end = () => (this.#filming = false);
		const isKey = ({ key }) => key === " " || key === "Enter";
		button.addEventListener("pointerdown", (event) => {
			if (event.button !== 0) return;
			button.setPointerCapture(event.pointerId);
			this.#film();
		});
		button.addEventListener("keydown", (event) => {
			if (!isKey(event)) return;
			event.preventDefault();
			if (!event.repeat) this.#film();
		});
		button.addEventListener("keyup", (event) => isKey(event) && end());
		for (const event of ["pointerup", "pointercancel", "blur"]) button.addEventListener(event, end);
		button.addEventListener("contextmenu", (event) => event.preventDefault());
		// What reads the page aloud clicks without holding anything.
		button.addEventListener("click", ({ pointerType }) => pointerType || this.#film(BURST));
	}

	/** Takes a picture several times a second until the button is let go of, or so many. */
	async #film(most = Infinity) {
		if (this.#filming) return;
		this.#filming = true;
		const { "kind-film": button, shots } = this.#parts;
		button.classList.add("filming");
		const before = this.photos.length;
		try {
			for (let count = 0; count < most && this.photos.length < MOST; count++) {
				this.add([await this.#frame()]);
				shots.scrollTop = shots.scrollHeight;
				if (!this.#filming) break;
				await new Promise((resolve) => setTimeout(resolve, FRAME_EVERY));
				if (!this.#filming) break;
			}
		} finally {
			this.#filming = false;
			button.classList.remove("filming");
			announce(`${counted(this.photos.length - before, "photo")} filmed for ${this.name}, ${this.photos.length} in all.`);
		}
	}
}
