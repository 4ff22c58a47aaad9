// Keeps the folder for the time without a network. STATE, SMALL and LARGE stand above: the name of this state of the
// folder, its files, and those that the model's worker keeps by itself when it loads them the first time.

const PREFIX = `lapel ${self.registration.scope} `;
const CACHE = PREFIX + STATE;

self.addEventListener("install", (event) => {
	const names = self.registration.active ? [...SMALL, ...LARGE] : SMALL;
	const requests = names.map((name) => new Request(name, { cache: "no-cache" })); // not what the browser holds of a state before
	event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)));
});

self.addEventListener("activate", (event) => event.waitUntil(clean()));

self.addEventListener("fetch", (event) => {
	const { request } = event;
	if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
	event.respondWith(answer(request));
});

async function clean() {
	const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
	await Promise.all(old.map((name) => caches.delete(name)));
	await self.clients.claim();
}

async function answer(request) {
	const cache = await caches.open(CACHE);
	const name = request.mode === "navigate" ? self.registration.scope : request; // there is one page
	return (await cache.match(name, { ignoreSearch: true })) ?? fetch(request);
}
