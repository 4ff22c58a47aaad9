"""Ray Serve, two replicas: python with_ray.py MODEL PORT."""

import signal
import sys

import ray
from model import Model
from ray import serve
from starlette.requests import Request


@serve.deployment(num_replicas=2, max_ongoing_requests=64, ray_actor_options={"num_cpus": 0.5})
class Garments:
    """The model behind a form and behind JSON."""

    def __init__(self, path: str) -> None:
        self.model = Model(path)

    async def __call__(self, request: Request) -> dict:
        """Label a photo or a picture."""
        if request.url.path == "/infer":
            return self.model.look((await request.json())["data"])
        async with request.form() as form:
            return self.model.tag(await form["file"].read())


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(sys.argv[2])}, logging_config={"log_level": "ERROR"}
    )
    serve.run(Garments.bind(sys.argv[1]))
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    ray.shutdown()
