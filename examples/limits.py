"""An API that allows 60 calls a minute, 4 of them at once, shared fairly among customers.

python -m taskqueue.supervisor --app examples.limits:app

for n in $(seq 100); do
    curl -X POST localhost:8080/tasks -H 'content-type: application/json' \\
         -d '{"action": "ask", "data": {"customer": "acme", "prompt": "What is '$n' squared?"}}'
done
curl -X POST localhost:8080/tasks -H 'content-type: application/json' \\
     -d '{"action": "ask", "data": {"customer": "tiny", "prompt": "And what about us?"}}'
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


@app.task("ask", limit=API, fair_by="customer")
async def ask(customer: str, prompt: str) -> dict[str, str]:
    """Ask a question. The customers take turns, so the hundred of one do not delay the others."""
    return {"answer": await call_api(prompt)}


@app.task("translate", limit=API, fair_by="customer")
async def translate(customer: str, text: str, to: str = "de") -> dict[str, str]:
    """Translate a text. Both actions call one API: they share its limit, and a customer's turns."""
    return {"text": await call_api(f"{to}: {text}")}


@app.task("mail", limit=Limit(key="smtp:{domain}", running=2))
async def mail(domain: str, to: str) -> None:
    """Send a letter. Each mail server gets two at once, and a slow one holds up no other."""
    await call_api(f"{to}@{domain}")
