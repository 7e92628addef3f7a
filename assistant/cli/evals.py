"""`goalspace eval`: how good search is, on collections with known answers; what a long conversation leaves."""

import os
from contextlib import AsyncExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from assistant.cli.common import open_settings, print_json, run
from assistant.db.setup import open_server
from assistant.evals.dataset import Collection, load_collection
from assistant.evals.memory import Remembered, measure_memory
from assistant.evals.metrics import score
from assistant.evals.report import figures, write_run, write_table
from assistant.evals.runner import Run, run_retrieval
from assistant.llm.embeddings import build_embedder
from assistant.llm.pricing import resolve_model
from assistant.mentor.summaries import Summariser
from assistant.settings import Settings
from assistant.state import open_model, open_prompts


@click.group()
def evaluate() -> None:
    """Measure how good search and answers are."""


@evaluate.command("retrieval")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--run-out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the run here, in TREC format.",
)
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000), help="Documents for each query.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of a table.")
def retrieval(folder: Path, run_out: Path | None, limit: int, as_json: bool) -> None:
    """Index the collection in DIR into scratch spaces, ask its queries, and compare with its judgments.

    DIR is in BEIR layout: corpus.jsonl, queries.jsonl and qrels/test.tsv. Everything that is made is removed again.

    \b
    goalspace eval retrieval collections/cranfield
    """
    settings = open_settings()
    collection = load_collection(folder)
    found = run(_run(settings, collection, limit))
    rankings = {query: [document for document, _ in ranking] for query, ranking in found.rankings.items()}
    values = figures(score(rankings, collection.judgments), found)
    if run_out is not None:
        write_run(run_out, found.rankings)
    if as_json:
        print_json(dict(values))
    else:
        click.echo(write_table(values))


async def _run(settings: Settings, collection: Collection, limit: int) -> Run:
    embedder = build_embedder(settings.embeddings, threads=os.cpu_count() or 1)
    console = Console(stderr=True)
    async with await open_server(settings) as server, server.open() as database:
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
            tasks = {}

            def show(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = bar.add_task(what)
                bar.update(tasks[what], completed=done, total=total)

            return await run_retrieval(server, database, embedder, collection, limit=limit, progress=show)


@evaluate.command("memory")
@click.option("--turns", default=200, show_default=True, type=click.IntRange(1, 5000), help="Of the conversation.")
@click.option("--facts", default=50, show_default=True, type=click.IntRange(1, 5000), help="That the learner says.")
@click.option("--seed", default=0, show_default=True, help="Another one is another conversation.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of a table.")
def memory(turns: int, facts: int, seed: int, as_json: bool) -> None:
    """Hold a long conversation in which a learner says facts, and count those that the mentor still knows at its end.

    The same model summarises as in the service; without one, summaries are made of sentences. Needs no database.
    """
    if facts > turns:
        raise click.UsageError("There can be no more facts than turns.")
    found = run(_remember(open_settings(), turns, facts, seed))
    values = {
        "known": round(found.known / found.facts, 4),
        "in the summary": round(found.in_summary / found.facts, 4),
        "facts": found.facts,
        "turns": turns,
        "turns told word for word": found.turns_told,
        "characters of the summary": found.summary_characters,
    }
    if as_json:
        print_json({**values, "missed": found.missed})
    else:
        click.echo(write_table(values))
        for sentence in found.missed:
            click.echo(f"missed: {sentence}")


async def _remember(settings: Settings, turns: int, facts: int, seed: int) -> Remembered:
    async with AsyncExitStack() as stack:
        model, prompts = await open_model(settings, stack), open_prompts(settings)
        summariser = Summariser(model, prompts, resolve_model(settings.model))
        return await measure_memory(summariser, turns=turns, facts=facts, seed=seed)
