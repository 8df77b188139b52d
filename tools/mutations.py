"""Asks the fast tests whether they notice a changed line: each mutant of `mutants.toml` has to fail them.

Owns the run: a copy of the tree for each worker, one mutant at a time in it, the tests, the table. Changes nothing of
the tree itself. Three stages, the quickest first: the handler's unit tests, random histories with fixed seeds, and the
hand-written histories of the simulation. The first failure ends a mutant.

The mutants are picked by hand. A mutation library (mutmut, cosmic-ray) makes thousands for these modules, of which most
say nothing here: log lines, texts, intervals that only cost time, branches that are equal by another rule. At up to a
minute a mutant that would be days on two cores, and whoever reads the survivors would stop reading. What matters is one
question: who would lose an entitlement, or pay for one, if this line were wrong? A table with that answer in it is
short enough to be run, and to be all caught.

Run it as `make mutations`; ``--only remove.py`` runs those whose file or reason has that text.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import click

PROJECT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_name("mutants.toml")
HANDLER = "lambda_handler"
#: What the tests need.
COPIED = (HANDLER, "local_aws", "testing", "tests", "pyproject.toml")
#: One test may take so long, in seconds, and a stage: a mutant may well wait for ever.
TEST_LIMIT = 120
STAGE_LIMIT = 900
#: The number of the first random history; the others follow it.
SEED = 20261126

_PYTEST = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"--timeout={TEST_LIMIT}")
_PLAY = """
import sys
from tests.simulation.history import draw
from tests.simulation.play import play
for seed in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
    if violations := play(draw(seed)).violations:
        sys.exit(f"FAILED history {seed}: {violations[0]}")
"""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (?:tests/)?(.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Mutant:
    """One changed line.

    Attributes:
        file: below `lambda_handler/`.
        old: stands in the file exactly once.
        why: what goes wrong in the world when the line is so.
    """

    file: str
    old: str
    new: str
    why: str

    @property
    def path(self) -> Path:
        """The file, below the tree."""
        return Path(HANDLER, self.file)

    def applied(self, tree: Path) -> str:
        """Return the file's text with the mutant in it.

        Raises:
            click.ClickException: the old text is not there, or more than once, or the new one is the same.
        """
        try:
            text = (tree / self.path).read_text()
        except OSError as error:
            raise click.ClickException(f"{self.path} ({self.why}): {error.strerror}") from error
        found = text.count(self.old)
        if found != 1 or self.new == self.old:
            problem = f"is there {found} times, not once" if found != 1 else "does not change"
            raise click.ClickException(f"{self.path} ({self.why}): this text {problem}:\n{self.old}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Result:
    """What came of a mutant: the test or history that failed, None where none did."""

    mutant: Mutant
    caught_by: str | None
    seconds: float


def mutants() -> list[Mutant]:
    """Read the table.

    Raises:
        click.ClickException: it is not of the form that it has to be.
    """
    try:
        given = tomllib.loads(TABLE.read_text())
        return [Mutant(**one) for one in given["mutant"]]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise click.ClickException(f"{TABLE.name}: {error}") from error


class Workbench:
    """Copies of the tree, one for each worker."""

    def __init__(self, directory: Path, copies: int, histories: int) -> None:
        self._histories = histories
        self._free: SimpleQueue[Path] = SimpleQueue()
        for number in range(copies):
            tree = directory / str(number)
            tree.mkdir()
            for name in COPIED:
                source = PROJECT / name
                if source.is_dir():
                    shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(source, tree / name)
            self._free.put(tree)

    def try_out(self, mutant: Mutant) -> Result:
        """Run the tests with a mutant."""
        began = time.monotonic()
        with self._tree() as tree:
            file = tree / mutant.path
            original = file.read_text()
            file.write_text(mutant.applied(tree))
            try:
                caught_by = self._failure(tree)
            finally:
                file.write_text(original)
        return Result(mutant, caught_by, time.monotonic() - began)

    def failure(self) -> str | None:
        """Run the tests as they are; return what fails."""
        with self._tree() as tree:
            return self._failure(tree)

    @contextmanager
    def _tree(self) -> Iterator[Path]:
        tree = self._free.get()
        try:
            yield tree
        finally:
            self._free.put(tree)

    def _failure(self, tree: Path) -> str | None:
        stages = [
            (*_PYTEST, "tests/unit/handler"),
            (sys.executable, "-c", _PLAY, str(SEED), str(self._histories)),
            (*_PYTEST, "tests/simulation"),
        ]
        for stage in stages:
            if (failure := _run(stage, tree)) is not None:
                return failure
        return None


def _run(stage: tuple[str, ...], tree: Path) -> str | None:
    # Without files of compiled code: a mutant of the same size and second would go unseen. The random histories are a
    # stage of their own, which does not shrink what it finds.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HISTORIES": "0"}
    try:
        done = subprocess.run(  # noqa: S603  our own tests, no shell
            stage, cwd=tree, env=environment, capture_output=True, text=True, errors="replace", timeout=STAGE_LIMIT
        )
    except subprocess.TimeoutExpired:
        return f"no end within {STAGE_LIMIT} s"
    if done.returncode == 0:
        return None
    said = f"{done.stdout}\n{done.stderr}"
    named = _FAILED.search(said)
    return named.group(1) if named else (said.strip().splitlines() or ["nothing was said"])[-1]


@click.command()
@click.option("--only", multiple=True, help="Only mutants whose file or reason has this text; may be repeated.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Mutants at a time.")
@click.option("--histories", default=60, show_default=True, type=click.IntRange(0), help="Random histories for each.")
def main(only: tuple[str, ...], jobs: int, histories: int) -> None:
    """Change one line of the handler at a time; each change has to fail the fast tests."""
    chosen = [one for one in mutants() if not only or any(text in one.file or text in one.why for text in only)]
    if not chosen:
        raise click.ClickException(f"no mutant's file or reason has {' or '.join(only)} in it")
    for one in chosen:
        one.applied(PROJECT)
    with tempfile.TemporaryDirectory(prefix="mutations-") as directory, ThreadPoolExecutor(jobs) as pool:
        bench = Workbench(Path(directory), jobs, histories)
        if (failure := bench.failure()) is not None:
            raise click.ClickException(f"the tests fail without any mutant: {failure}")
        survived = 0
        for result in pool.map(bench.try_out, chosen):
            survived += result.caught_by is None
            click.echo(_row(result))
    click.echo(f"{len(chosen)} mutants, {survived} survived")
    sys.exit(1 if survived else 0)


def _row(result: Result) -> str:
    verdict = "SURVIVED" if result.caught_by is None else f"caught by {result.caught_by}"
    return f"{result.mutant.file:<24} {result.seconds:5.0f} s  {result.mutant.why}\n{'':<34}{verdict}"


if __name__ == "__main__":
    main()
