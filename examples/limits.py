"""An API that allows 60 calls a minute, 4 of them at once, and mail servers that differ in this.

python -m taskqueue.supervisor --app examples.limits:app

for n in $(seq 100); do
    curl -X POST localhost:8080/tasks -H 'content-type: application/json' \\
         -d '{"action": "ask", "data": {"prompt": "What is '$n' squared?"}}'
done
curl localhost:8080/limits/api
curl -X PUT localhost:8080/limits/api -H 'content-type: application/json' \\
     -d '{"running": 8, "starts": 120, "per_s": 60, "burst": 10}'
"""

import asyncio

from taskqueue import App, Limit

app = App()

API = Limit(name="api", running=4, starts=60, per_s=60, burst=10)


async def call_api(text: str) -> str:
    """Stand for a call of another company's service."""
    await asyncio.sleep(0.01)
    return f"re: {text}"


@app.task("ask", limit=API)
async def ask(prompt: str) -> dict[str, str]:
    """Ask a question."""
    return {"answer": await call_api(prompt)}


@app.task("translate", limit=API)
async def translate(text: str, to: str = "de") -> dict[str, str]:
    """Translate a text. The calls of both actions are calls of one API, so they share its limit."""
    return {"text": await call_api(f"{to}: {text}")}


@app.task("mail", limit=Limit(key="smtp:{domain}", running=2))
async def mail(domain: str, to: str) -> None:
    """Send a letter. Each mail server gets two at once, and a slow one holds up no other."""
    await call_api(f"{to}@{domain}")
