// A camera: its film in a video element, and single pictures of it.

const PROBLEMS = {
	NotAllowedError: "The browser may not use the camera. Allow it beside the address above, then start again.",
	NotFoundError: "There is no camera here. Plug one in and start again, or choose photos instead.",
	NotReadableError: "Another program holds the camera. Close it, then start again.",
	insecure: "A browser gives its camera only to pages at https:// or on localhost, and this is neither.",
	ended: "The camera was unplugged or taken away. Start again once it is back.",
};

export class Film {
	#video;
	#stream = null;
	#run = null; // the AbortController of what is going on

	constructor(video) {
		this.#video = video;
	}

	/** Starts; a signal that is aborted at its end, or null where that came first. Throws an Error with what to do. */
	async open(onended) {
		this.close();
		const run = (this.#run = new AbortController());
		try {
			if (!navigator.mediaDevices) throw Object.assign(new Error(), { name: "insecure" });
			const video = { facingMode: "environment", width: { ideal: 1280 } };
			const stream = await navigator.mediaDevices.getUserMedia({ video });
			if (run.signal.aborted) {
				for (const track of stream.getTracks()) track.stop(); // it was left while the browser still asked
				return null;
			}
			this.#stream = this.#video.srcObject = stream;
			stream.getVideoTracks()[0].addEventListener("ended", () => onended(PROBLEMS.ended), { signal: run.signal });
			await this.#video.play();
		} catch (error) {
			if (run.signal.aborted) return null;
			throw new Error(PROBLEMS[error.name] ?? `The camera does not start: ${error.message}`);
		}
		return run.signal;
	}

	/** Lets go of the camera. */
	close() {
		this.#run?.abort();
		for (const track of this.#stream?.getTracks() ?? []) track.stop();
		this.#run = this.#stream = this.#video.srcObject = null;
	}

	/** What the camera sees now, as a JPEG file with at most this many pixels on its longer side. */
	async frame(side) {
		const { videoWidth: width, videoHeight: height } = this.#video;
		const scale = Math.min(1, side / Math.max(width, height));
		const canvas = new OffscreenCanvas(Math.round(width * scale), Math.round(height * scale));
		canvas.getContext("2d").drawImage(this.#video, 0, 0, canvas.width, canvas.height);
		const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
		const type = "image/jpeg";
		return new File([await canvas.convertToBlob({ type, quality: 0.85 })], `camera ${time}.jpg`, { type });
	}
}
