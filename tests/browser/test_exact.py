"""What users have stored is shown and sent back as it was written, to the last digit."""

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.browser.site import Site
from tests.system.services import Client, until

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]

DATA = '{"order": 12345678901234567890, "x": 1.0}'
LINES = '{\n  "order": 12345678901234567890,\n  "x": 1.0\n}'


async def enqueue(http: aiohttp.ClientSession, site: Site, action: str, **options: float) -> str:
    more = "".join(f', "{name}": {value}' for name, value in options.items())
    body = f'{{"action": "{action}", "data": {DATA}{more}}}'
    async with http.post(
        f"{site.url}/tasks", data=body, headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 202
        return str((await response.json())["id"])


async def stored(http: aiohttp.ClientSession, site: Site, task_id: str) -> str:
    """The text of a task, as the service has it."""
    async with http.get(f"{site.url}/tasks/{task_id}") as response:
        return await response.text()


def region(page: Page, name: str):
    return page.get_by_role("region", name=name).locator("pre")


async def test_data_and_a_result_are_shown_as_they_are_written(
    site: Site, http: aiohttp.ClientSession
) -> None:
    task_id = await enqueue(http, site, "mirror")

    page = await site.open(f"#/tasks/{task_id}")

    await expect(region(page, "Data")).to_have_text(LINES)
    await expect(region(page, "Result")).to_have_text(LINES)
    await expect(region(page, "Progress")).to_have_text("1.0")
    await page.goto(f"{site.url}/#/tasks")
    await expect(page.locator("td.data").first).to_have_text(DATA)


async def test_an_edit_of_another_field_leaves_the_data_alone(
    site: Site, http: aiohttp.ClientSession
) -> None:
    task_id = await enqueue(http, site, "mirror", delay_s=3600)
    page = await site.open(f"#/tasks/{task_id}")

    await page.get_by_role("button", name="Edit").click()
    await expect(page.get_by_label("Data, as JSON")).to_have_value(LINES)
    await page.get_by_label("Priority").fill("7")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Task changed")).to_be_visible()

    text = await stored(http, site, task_id)
    assert f'"data":{DATA}' in text
    assert '"priority":7' in text


async def test_edited_data_are_stored_as_they_were_typed(
    site: Site, http: aiohttp.ClientSession
) -> None:
    task_id = await enqueue(http, site, "mirror", delay_s=3600)
    page = await site.open(f"#/tasks/{task_id}")

    await page.get_by_role("button", name="Edit").click()
    field = page.get_by_label("Data, as JSON")
    await field.fill('{"order": 98765432109876543210, "x": 2.0')
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("not JSON")
    await field.fill('{"order": 98765432109876543210, "x": 2.0}')
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Task changed")).to_be_visible()

    assert '"data":{"order": 98765432109876543210, "x": 2.0}' in await stored(http, site, task_id)


async def test_a_clone_has_the_same_data_also_if_something_else_of_it_is_changed(
    site: Site, http: aiohttp.ClientSession
) -> None:
    original = await enqueue(http, site, "mirror", delay_s=3600, max_attempts=9)
    page = await site.open(f"#/tasks/{original}")

    for priority in ("0", "3"):
        await page.get_by_role("button", name="Clone").click()
        await page.get_by_label("Priority").fill(priority)
        await page.get_by_role("button", name="Enqueue").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)

    calls = Client(http, site.service)
    found = await until(
        lambda: calls.get("/tasks?fields=id,priority,max_attempts,status"),
        lambda answer: answer.body["count"] == 3,
    )
    changed, copied, _ = found.body["tasks"]
    assert (copied["priority"], copied["max_attempts"], copied["status"]) == (0, 9, "scheduled")
    assert changed["priority"] == 3
    for task in (changed, copied):
        text = await stored(http, site, task["id"])
        assert "12345678901234567890" in text
        assert "1.0" in text
