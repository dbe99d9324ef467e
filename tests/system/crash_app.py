"""An app whose handlers have steps of their own, so that a crash can come between."""

from pathlib import Path

from taskqueue import App, Context, Limit

MAKE_EFFECTS = "CREATE TABLE effects (task text NOT NULL)"


async def work(ctx: Context, runs: str) -> str:
    """Note the run outside, where no crash undoes it, and the effect with the ack."""
    begin(Path(runs))
    # Without a parameter, which each engine writes in its own way.
    ctx.transaction().execute(f"INSERT INTO effects (task) VALUES ('{ctx.task.id}')")
    await end()
    return "done"


async def plain(ctx: Context, runs: str) -> str:
    """Do the same without an effect: it has no statements."""
    begin(Path(runs))
    await end()
    return "done"


def begin(runs: Path) -> None:
    with runs.open("a") as file:
        file.write("run\n")


async def end() -> None:
    """Nothing more is done."""


def make_app() -> App:
    """Make another app: one belongs to one service at a time."""
    app = App()
    app.task("work")(work)
    app.task("plain")(plain)
    return app


def make_gated_app() -> App:
    """Make an app whose tasks have a limit and take turns."""
    app = App()
    app.task("work", limit=Limit(running=1, name="single"), fair_by="runs")(work)
    return app


app = make_app()
gated_app = make_gated_app()
