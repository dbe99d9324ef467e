"""What a client sends and how it reads answers: no service needed."""

import msgspec
import pytest

from taskqueue import AccessDenied, CallRefused, ConfigError, InvalidTask, KeyConflict, TaskNotFound
from taskqueue.client import calls, enqueueing
from taskqueue.client.address import address_of
from taskqueue.client.call import Answer, NoAnswer
from taskqueue.client.failures import error_of
from taskqueue.client.retries import Retries
from taskqueue.errors import Fault, ServiceUnavailable, TaskQueueError
from taskqueue.rules.options import NO_CHOICE, Options


def test_the_environment_names_the_service_and_the_token() -> None:
    address = address_of(None, None, {"TASKQUEUE_URL": "http://q:1/", "TASKQUEUE_TOKEN": "secret"})

    assert (address.url, address.headers) == ("http://q:1", {"Authorization": "Bearer secret"})


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        (None, "is missing"),
        ("", "is missing"),
        ("localhost:8080", "must look like"),
        ("ftp://queue", "must look like"),
        ("http://", "must look like"),
        ("http://queue:99999", "must look like"),
        ("http://me:secret@queue", "use `token`"),
        ("http://queue?x=1", "use `token`"),
        ("unix:run/tq.sock", "must look like"),
        ("unix://run/tq.sock", "absolute path of 107 bytes"),
        ("unix:///", "absolute path of 107 bytes"),
        ("unix:///run/\0", "absolute path of 107 bytes"),
        ("unix:///run/\ud800", "absolute path of 107 bytes"),
        (f"unix:///{'a' * 107}", "absolute path of 107 bytes"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_what_to_write(
    url: str | None, fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault) as refused:
        address_of(url, None, {})

    assert [each.field for each in refused.value.faults] == ["url"]


def test_a_token_cannot_smuggle_a_header() -> None:
    with pytest.raises(ConfigError, match="token: must be printable"):
        address_of("http://queue", "a\r\nHost: evil", {})


def test_every_enqueue_carries_a_key() -> None:
    bodies = [enqueueing.named("resize", None, {"width": 1}, NO_CHOICE) for _ in range(2)]

    keys = {body.idempotency_key for body in bodies}

    assert len(keys) == 2
    assert all(keys)


def test_a_key_of_the_user_is_kept_and_other_options_are_sent() -> None:
    options = Options(unique_key="order-1", delay_s=5.0, priority=3)

    body = enqueueing.named("resize", {"url": "x"}, {"width": 1}, options)

    assert msgspec.json.decode(msgspec.json.encode(body)) == {
        "action": "resize",
        "data": {"url": "x", "width": 1},
        "idempotency_key": body.idempotency_key,
        "unique_key": "order-1",
        "priority": 3,
        "delay_s": 5.0,
    }


def test_all_faults_of_arguments_and_options_are_named_before_anything_is_sent() -> None:
    with pytest.raises(InvalidTask, match=r"data\.width"):
        enqueueing.named("resize", None, {"width": object()}, NO_CHOICE)
    with pytest.raises(InvalidTask, match=r"priority.*max_attempts"):
        enqueueing.named("resize", None, {}, Options(priority=-1, max_attempts=0))


def test_many_tasks_are_sent_in_requests_of_a_bounded_size() -> None:
    tasks = [("store", {"text": "x" * 100_000}) for _ in range(25)]

    batches = list(enqueueing.batches(tasks))

    assert [len(batch) for batch in batches] == [10, 10, 5]


@pytest.mark.parametrize(
    ("status", "problem", "expected"),
    [
        (422, {"error": "invalid task", "faults": [{"field": "a", "message": "b"}]}, InvalidTask),
        (422, {"error": "unknown action"}, InvalidTask),
        (422, {"error": "idempotency key reused", "conflicts": {"k": "t"}}, KeyConflict),
        (404, {"error": "task not found"}, TaskNotFound),
        (404, {"error": "no such queue"}, CallRefused),
        (409, {"error": "task has ended"}, CallRefused),
        (401, {"error": "token required"}, AccessDenied),
        (403, {"error": "forbidden"}, AccessDenied),
    ],
)
def test_a_problem_becomes_the_exception_that_enqueueing_in_the_service_would_raise(
    status: int, problem: object, expected: type[TaskQueueError]
) -> None:
    error = error_of(status, msgspec.json.encode(problem), task_id="t")

    assert type(error) is expected


def test_the_page_of_a_proxy_is_quoted() -> None:
    error = error_of(418, b"<h1>not me</h1>")

    assert isinstance(error, CallRefused)
    assert (error.status, error.detail) == (418, "<h1>not me</h1>")


def test_a_refusal_says_all_that_the_service_said() -> None:
    error = CallRefused(422, "invalid request", "see faults", (Fault("limit", "too large"),))

    assert str(error) == "invalid request (422): see faults; limit: too large"


def test_ids_are_quoted_in_paths() -> None:
    assert calls.get("../x?y", wait_s=2.5).path == "/tasks/..%2Fx%3Fy?wait_s=2.5"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def retries(retry_s: float, clock: Clock) -> Retries:
    return Retries("http://q", retry_s, monotonic=clock, jitter=lambda: 0.0)


def test_waits_double_and_heed_what_the_service_asks_for() -> None:
    patient = retries(60.0, Clock())
    busy = Answer(503, b"{}", "1")

    waits = [patient.wait_s(NoAnswer("reset", True), is_repeatable=True) for _ in range(3)]

    assert waits == [0.05, 0.1, 0.2]
    assert patient.wait_s(busy, is_repeatable=True) == 1.0


def test_the_last_failure_is_raised_when_the_time_is_up() -> None:
    clock = Clock()
    patient = retries(1.0, clock)

    clock.now = 0.96

    with pytest.raises(ServiceUnavailable, match="http://q is unavailable: connection reset"):
        patient.wait_s(NoAnswer("connection reset", True), is_repeatable=True)


def test_what_must_not_happen_twice_is_sent_again_only_if_it_never_arrived() -> None:
    patient = retries(60.0, Clock())

    assert patient.wait_s(NoAnswer("refused", False), is_repeatable=False) > 0
    assert patient.wait_s(Answer(503, b""), is_repeatable=False) > 0
    with pytest.raises(ServiceUnavailable):
        patient.wait_s(NoAnswer("reset", True), is_repeatable=False)
