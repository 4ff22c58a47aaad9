"""What a service tells of itself, read by Prometheus' own parser."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lapel.card import Card
from lapel.errors import PictureError
from lapel.picture import PictureSpec
from lapel.serve.telemetry.counters import REASONS
from lapel.serve.telemetry.prometheus import Sample, lines
from lapel.serve.telemetry.registry import Hour, Telemetry
from lapel.tagger import Tag

pytest.importorskip("prometheus_client", reason="prometheus_client is not installed")

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

CARD = Card(
    "wardrobe",
    ("Shirt", 'a "b" \\ c', "Coat"),
    PictureSpec(),
    rejects=("not one of the classes",),
    usual={"accepted": 0.9, "labels": {"Shirt": 0.5, 'a "b" \\ c': 0.3, "Coat": 0.2}},
)
PRINT = "5eed" * 16


class Clock:
    """Time that goes on when it is told to."""

    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def telemetry(clock: Clock, workers: int = 1) -> Telemetry:
    counts = Telemetry(["/tag", "/model"], ["photo", "away"], workers, clock=clock)
    counts.add_model("photo", CARD, PRINT)
    return counts


def tag(label: str = "Shirt", reason: str = "") -> Tag:
    return Tag("a.jpg", label, 0.9, (), 0.9, reason)


def read(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(told: Telemetry | str) -> dict[str, float]:
    """Every sample by its name and the values of its labels: 'lapel_refused_total head'."""
    families = read(told if isinstance(told, str) else told.text()).values()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def test_what_happens_is_counted(clock: Clock) -> None:
    counts = telemetry(clock)
    worker = counts.recorder(0)
    for status in (200, 200, 503):
        worker.count_request("/tag", status, 0.004)
    worker.count_refusal("too_large")
    worker.count_batch(3, 0.02, 0.03)
    worker.set_gauge("connections", 7)
    worker.set_gauge("connections", 5)
    for one in (tag(), tag(reason="unsure"), tag(reason="not one of the classes"), PictureError("empty")):
        worker.count_photo("photo", one)
    told = values(counts)
    assert told["lapel_requests_total /tag 200"] == 2
    assert told["lapel_requests_total /tag 503"] == 1
    assert told["lapel_request_seconds_count /tag"] == 3
    assert told["lapel_request_seconds_sum /tag"] == pytest.approx(0.012)
    assert told["lapel_refused_total too_large"] == 1
    assert told["lapel_refused_total head"] == 0
    assert told["lapel_batch_photos_sum"] == 3
    assert told["lapel_wait_seconds_sum"] == pytest.approx(0.02)
    assert told["lapel_model_seconds_sum"] == pytest.approx(0.03)
    assert told["lapel_connections"] == 5
    outcomes = {name.split()[-1]: value for name, value in told.items() if "photos_total photo" in name}
    assert outcomes == {"accepted": 1, "unsure": 1, "rejected": 1, "error": 1}
    assert told[f"lapel_model_info photo {PRINT}"] == 1
    # A route that nobody asked for is not shown, and neither is a status that never was.
    assert not [name for name in told if "/model" in name or " 404" in name]


def test_histograms_are_cumulative_and_a_bound_belongs_to_its_bucket(clock: Clock) -> None:
    counts = telemetry(clock)
    worker = counts.recorder(0)
    for size in (1, 2, 3, 4, 64, 1000):
        worker.count_batch(size, 0, 11.0)
    told = values(counts)
    buckets = {name.split()[1]: value for name, value in told.items() if "batch_photos_bucket" in name}
    assert buckets == {"1": 1, "2": 2, "4": 4, "8": 4, "16": 4, "32": 4, "64": 5, "+Inf": 6}
    assert told["lapel_batch_photos_count"] == 6
    assert told["lapel_model_seconds_bucket 10"] == 0
    assert told["lapel_model_seconds_bucket +Inf"] == told["lapel_model_seconds_count"] == 6


def test_what_was_not_foreseen_is_counted_as_other(clock: Clock) -> None:
    counts = telemetry(clock)
    worker = counts.recorder(0)
    worker.count_request("/wp-login.php", 404, 0.001)
    worker.count_request("/tag", 299, 0.001)
    worker.count_refusal("tired")
    told = values(counts)
    assert told["lapel_requests_total other 404"] == 1
    assert told["lapel_requests_total /tag other"] == 1
    assert told["lapel_refused_total other"] == 1


def test_the_text_is_as_the_format_asks(clock: Clock) -> None:
    counts = telemetry(clock)
    worker = counts.recorder(0)
    worker.count_request("/tag", 200, 0.25)
    worker.count_photo("photo", tag())
    text = counts.text()
    assert text.endswith("\n")
    families = read(text)
    for family in families.values():
        assert family.name.startswith("lapel_")
        assert family.documentation, f"{family.name} says nothing of itself"
        assert family.type in ("counter", "gauge", "histogram")
        assert family.samples
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)
        told = [(sample.name, tuple(sample.labels.items())) for sample in family.samples]
        assert len(set(told)) == len(told), f"{family.name} says one thing twice"
    # Each metric stands in one place, with its head first.
    heads = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert len(set(heads)) == len(heads) == len(families)
    assert re.findall(r"^# HELP (\S+)", text, re.MULTILINE) == heads


def test_values_of_labels_are_escaped(clock: Clock) -> None:
    counts = telemetry(clock)
    counts.recorder(0).count_photo("photo", tag('a "b" \\ c'))
    assert values(counts)['lapel_hour_label_share photo a "b" \\ c'] == 1
    odd = 'one\ntwo "three" \\n four'
    text = "\n".join(lines("lapel_odd", "gauge", odd, [Sample({"label": odd}, 0.5)])) + "\n"
    [family] = text_string_to_metric_families(text)
    assert family.documentation == odd
    assert family.samples[0].labels == {"label": odd}


def test_workers_that_count_at_once_lose_nothing() -> None:
    """Processes of their own, since a fork is not for a process that runs tests."""
    code = """
import os
from lapel.card import Card
from lapel.picture import PictureSpec
from lapel.serve.telemetry.registry import Telemetry
from lapel.tagger import Tag

counts = Telemetry(["/tag"], ["photo"], workers=4, clock=lambda: 6e7)
counts.add_model("photo", Card("c", ("Shirt", "Coat"), PictureSpec()), "5eed" * 16)
started, go = os.pipe(), os.pipe()
for number in range(4):
    if not os.fork():
        worker = counts.recorder(number)
        os.write(started[1], b".")
        os.read(go[0], 1)
        for time in range(5000):
            worker.count_request("/tag", 200, 0.001 * number)
            worker.count_photo("photo", Tag("", ("Shirt", "Coat")[number % 2], 0.9, (), 0.9))
            if time % 500 == 0:
                assert abs(sum(counts.hour("photo").shares.values()) - 1) < 1e-9
        worker.set_gauge("connections", number)
        os._exit(0)
for _ in range(4):
    os.read(started[0], 1)
os.write(go[1], b"....")
for _ in range(4):
    assert os.wait()[1] == 0
print(counts.text())
"""
    text = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    told = values(text)
    assert told["lapel_requests_total /tag 200"] == told["lapel_request_seconds_count /tag"] == 20_000
    assert told["lapel_request_seconds_sum /tag"] == pytest.approx(5 * (0 + 1 + 2 + 3))
    assert told["lapel_hour_photos photo"] == 20_000
    assert told["lapel_hour_label_share photo Shirt"] == 0.5
    assert told["lapel_connections"] == 0 + 1 + 2 + 3


def test_a_worker_in_the_place_of_another_goes_on_with_its_counts_but_not_with_its_gauges(
    clock: Clock,
) -> None:
    counts = telemetry(clock, workers=2)
    first, second = counts.recorder(0), counts.recorder(1)
    first.count_refusal("head")
    second.count_refusal("head")
    first.set_gauge("connections", 3)
    second.set_gauge("connections", 4)
    assert values(counts)["lapel_connections"] == 7
    counts.recorder(1).count_refusal("head")
    assert values(counts)["lapel_refused_total head"] == 3
    assert values(counts)["lapel_connections"] == 3


# The last hour


def test_the_last_hour_beside_what_is_expected(clock: Clock) -> None:
    counts = telemetry(clock, workers=2)
    first, second = counts.recorder(0), counts.recorder(1)
    told = values(counts)
    assert told["lapel_hour_photos photo"] == 0
    assert not [name for name in told if "hour_label" in name or "drift" in name or "hour_accepted" in name]
    assert told["lapel_expected_accepted_share photo"] == 0.9
    assert told["lapel_expected_label_share photo Coat"] == 0.2

    first.count_photo("photo", tag("Shirt"))
    first.count_photo("photo", PictureError("not a photo"))  # it has no label
    second.count_photo("photo", tag("Coat"))
    second.count_photo("photo", tag("Coat", "unsure"))
    clock.now += 30 * 60
    second.count_photo("photo", tag("Coat", "not one of the classes"))
    told = values(counts)
    assert told["lapel_hour_photos photo"] == 4
    assert told["lapel_hour_accepted_share photo"] == 0.5
    assert told["lapel_hour_label_share photo Shirt"] == 0.25
    assert told["lapel_hour_label_share photo Coat"] == 0.75
    assert told["lapel_label_drift photo"] == pytest.approx(0.55)  # 0.75 - 0.2, as 0.25 and 0.3 went there


def test_what_is_an_hour_old_is_forgotten(clock: Clock) -> None:
    counts = telemetry(clock)
    worker = counts.recorder(0)
    worker.count_photo("photo", tag("Shirt"))
    clock.now += 59 * 60
    worker.count_photo("photo", tag("Coat"))
    assert counts.hour("photo").photos == 2
    clock.now += 60
    assert counts.hour("photo") == Hour(1, 1, {"Shirt": 0, 'a "b" \\ c': 0, "Coat": 1})
    worker.count_photo("photo", tag("Coat", "unsure"))  # in the place of the first minute
    assert counts.hour("photo") == Hour(2, 1, {"Shirt": 0, 'a "b" \\ c': 0, "Coat": 1})
    clock.now += 24 * 3600
    assert counts.hour("photo") == Hour(0, 0, {})


def test_a_clock_that_is_put_back_hides_what_is_to_come(clock: Clock) -> None:
    counts = telemetry(clock)
    worker = counts.recorder(0)
    worker.count_photo("photo", tag())
    clock.now -= 30 * 60
    worker.count_photo("photo", tag("Coat"))
    assert counts.hour("photo").photos == 1


def test_a_model_that_does_not_say_what_it_expects_and_one_with_many_classes(clock: Clock) -> None:
    names = tuple(f"kind {number}" for number in range(65))
    usual = {"accepted": 0.5, "labels": dict.fromkeys(names, 1 / 65)}
    counts = Telemetry([], ["plain", "many"], clock=clock)
    counts.add_model("plain", Card("plain", ("a", "b"), PictureSpec()), PRINT)
    counts.add_model("many", Card("many", names, PictureSpec(), usual=usual), PRINT)
    worker = counts.recorder(0)
    worker.count_photo("plain", tag("a"))
    worker.count_photo("many", tag("kind 3", "unsure"))
    told = values(counts)
    assert told["lapel_hour_label_share plain a"] == 1
    assert told["lapel_hour_accepted_share many"] == 0
    assert told["lapel_expected_accepted_share many"] == 0.5
    assert not [name for name in told if "drift" in name or "kind" in name]
    assert not [name for name in told if "expected" in name and "plain" in name]


def test_the_hour_is_that_of_the_model_that_is_served_now(clock: Clock) -> None:
    counts = telemetry(clock)
    worker = counts.recorder(0)
    worker.count_photo("photo", tag("Shirt"))
    clock.now += 60
    worker.count_photo("photo", tag("Shirt"))
    usual = {"accepted": 0.7, "labels": {"Hat": 0.5, "Shirt": 0.5}}
    other = "0123456789ab" * 5
    counts.add_model("photo", Card("other", ("Hat", "Shirt"), PictureSpec(), usual=usual), other)
    assert counts.hour("photo") == Hour(0, 0, {})
    worker.count_photo("photo", tag("Hat"))
    told = values(counts)
    assert told[f"lapel_model_info photo {other}"] == 1
    assert told["lapel_expected_accepted_share photo"] == 0.7
    assert counts.hour("photo") == Hour(1, 1, {"Hat": 1, "Shirt": 0})
    assert told["lapel_photos_total photo accepted"] == 3


def test_a_model_that_is_put_away(clock: Clock) -> None:
    counts = telemetry(clock)
    worker = counts.recorder(0)
    counts.remove_model("photo")
    counts.remove_model("away")  # it never was there
    worker.count_photo("photo", tag())  # was asked before
    told = values(counts)
    assert told["lapel_photos_total photo accepted"] == 1
    assert not [name for name in told if "hour" in name or "expected" in name or "info" in name]


# The service itself


def test_the_time_since_the_start(clock: Clock) -> None:
    counts = telemetry(clock, workers=3)
    clock.now += 5
    counts.recorder(1)
    clock.now += 7.5
    told = values(counts)
    assert told["lapel_start_time_seconds"] == 1_000_000_000
    assert told["lapel_uptime_seconds"] == 12.5
    assert [name for name in told if "worker_start" in name] == ["lapel_worker_start_time_seconds 1"]
    assert told["lapel_worker_start_time_seconds 1"] == 1_000_000_005


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="the system does not tell of memory in /proc"
)
def test_the_memory_of_workers_that_run(clock: Clock) -> None:
    counts = telemetry(clock, workers=2)
    counts.recorder(0)
    held = values(counts)["lapel_worker_resident_bytes 0"]
    assert 10e6 < held < 100e9
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.getpid", lambda: gone.pid)
        counts.recorder(1)
    told = values(counts)
    assert "lapel_worker_start_time_seconds 1" in told
    assert "lapel_worker_resident_bytes 1" not in told


def test_every_reason_that_the_service_gives_is_known() -> None:
    folder = Path(sys.modules[Telemetry.__module__].__file__ or "").parent
    given = {
        reason
        for path in folder.glob("*.py")
        for reason in re.findall(r'\brefused\("(\w+)"\)', path.read_text())
    }
    assert given <= set(REASONS)
