"""pytest's side of the experiments: options, one test per experiment, dataset and encoder, and what an outcome means.

A test passes when none of its cells is a confirmed deviation, fails when one is, and is skipped, with its
reason, when what it needs is missing, or when a cell cannot be told. A skip is never green: the session then ends with
exit code 2. A test knows the seed noise of its own cells only; a run's junit.xml is written from the judged whole.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from suite.core import values
from suite.core.memory import is_out_of_memory
from suite.core.paths import EXPECTED
from suite.core.precision import exact_convolutions
from suite.core.processors import usable_processors
from suite.core.signals import hear_signals
from suite.errors import BusyError, StorageError, SuiteError
from suite.experiments.direct import Direct
from suite.experiments.forked import Messenger, trial_name
from suite.experiments.judge import NotStoredError, Trial, code_state_at_start
from suite.judge.claims import load_claims
from suite.protocol.factors import choose_factors
from suite.run.folder import at_work
from suite.run.groups import GroupScheduling, groups_of
from suite.run.leases import LEASES, lease
from suite.run.options import OPTIONS, Option, request_arguments
from suite.run.request import Request, make_request, with_writable_cache

_REQUEST = pytest.StashKey[Request]()
_TRIAL = pytest.StashKey[Trial]()
NOT_RUN_EXIT = 2
CLAIMS_PAGE = "test_claims.py"
OUTCOMES = (KeyboardInterrupt, pytest.exit.Exception, pytest.fail.Exception, pytest.skip.Exception)
"""What is no fault in a trial: a signal, and a test's own answers."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a request; `python -m suite reproduce --help` explains them."""
    group = parser.getgroup("experiments", "experiments of the paper")
    for option in OPTIONS:
        if not option.same_as_pytest:
            group.addoption(option.flag, dest=f"asked_{option.attribute}", **option.settings())
    group.addoption("--unjudged", action="store_true", help="hold nothing against references")
    group.addoption("--factor", action="append", default=[], metavar="NAME=CHOICE", help="diagnostic (triage)")
    group.addoption("--threads", help="of each process (default: one per core)")
    group.addoption("--trial", action="append", default=[], metavar="EXPERIMENT/DATASET/METHOD", help="these alone")
    group.addoption("--stored-only", action="store_true", help="measure nothing: only look whether results hold")


def pytest_configure(config: pytest.Config) -> None:
    """Check the request before anything is collected."""
    hear_signals()
    try:
        request = make_request(**request_arguments(lambda option: _option_value(config, option), seed="0"))
        config.stash[_REQUEST] = request = replace(
            request,
            judged=not config.getoption("unjudged"),
            stored_only=config.getoption("stored_only"),
            factors=choose_factors(config.getoption("factor")),
        )
        text = config.getoption("threads")
        threads = usable_processors() if text is None else values.count("--threads", text)
    except SuiteError as error:
        pytest.exit(f"error: {error}", returncode=error.exit_code)
    if not config.option.collectonly:
        quiet = hasattr(config, "workerinput")  # the process that started it has said so
        config.stash[_REQUEST] = request = with_writable_cache(request, quiet=quiet)
    code_state_at_start()
    torch.set_num_threads(threads)
    exact_convolutions()
    try:
        _begin_attempt(config, request)
    except (BusyError, StorageError) as error:
        pytest.exit(f"error: {error}", returncode=error.exit_code)
    starts_workers = getattr(config.option, "dist", "no") != "no" and not hasattr(config, "workerinput")
    if not starts_workers:
        # xdist begins when all its processes are ready, so one that waited for another's GPU would wait for ever
        _take_gpus(request, wait=_is_forked(config))


def _take_gpus(request: Request, *, wait: bool) -> None:
    """Take the GPUs that a request needs, and work on the first."""
    if request.device == "cuda":
        LEASES.extend(lease(request.processes_per_probe, wait=wait))
        torch.cuda.set_device(LEASES[0].index)


def _option_value(config: pytest.Config, option: Option) -> object:
    """Return the value given for an option; pytest's own `--strict` sets a value of its configuration."""
    return bool(config.getini("strict")) if option.same_as_pytest else config.getoption(f"asked_{option.attribute}")


def _begin_attempt(config: pytest.Config, request: Request) -> None:
    """Take the run folder and note the attempt of a session by hand; `reproduce`'s processes and xdist's do neither."""
    if not _is_forked(config) and not hasattr(config, "workerinput") and not config.option.collectonly:
        stack = ExitStack()
        stack.enter_context(at_work(request.run))
        config.add_cleanup(stack.close)
        config.pluginmanager.register(Direct(request))


def _is_forked(config: pytest.Config) -> bool:
    """Tell whether this is a process of a run, which holds the folder and notes the attempt."""
    return any(isinstance(plugin, Messenger) for plugin in config.pluginmanager.get_plugins())


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the pages of experiments that were not asked for: no test is better than a skipped one.

    Claims need the cells of all the others. Processes side by side have no last test, so there the report alone, which
    sees the whole run, holds the claims against it.
    """
    chosen = config.getoption("trial")
    names = {name.partition("/")[0] for name in chosen} or {task[0].name for task in config.stash[_REQUEST].tasks()}
    pages = {f"test_{name}.py" for name in names}
    if not chosen and getattr(config.option, "dist", "no") == "no" and not hasattr(config, "workerinput"):
        pages.add(CLAIMS_PAGE)
    is_page = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if is_page and collection_path.name not in pages else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per dataset and encoder asked for, and one per claim."""
    request = metafunc.config.stash[_REQUEST]
    if "claim" in metafunc.fixturenames:
        metafunc.parametrize(
            "claim", [pytest.param(claim, id=claim.id) for claim in load_claims(EXPECTED / "claims.toml")]
        )
        return
    name = metafunc.function.__name__.removeprefix("test_")
    trials = {str(request.key(*task)): task for task in request.tasks() if task[0].name == name}
    chosen = metafunc.config.getoption("trial") or trials
    metafunc.parametrize("task", [pytest.param(trials[trial], id=trial) for trial in chosen if trial in trials])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put claims last, and trials in the order in which they were named."""
    place = {trial: number for number, trial in enumerate(config.getoption("trial"))}
    items.sort(key=lambda item: (item.path.name == CLAIMS_PAGE, place.get(trial_name(item), 0)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling:
    """Send trials that train side by side to one process."""
    return GroupScheduling(config, log, groups_of(config.stash[_REQUEST]))


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> Request:
    """Return the request."""
    return request.config.stash[_REQUEST]


@pytest.fixture
def trial(task: tuple, request: pytest.FixtureRequest) -> Trial:  # type: ignore[type-arg]
    """Return the experiment, dataset and candidate."""
    new_trial = Trial(request.config.stash[_REQUEST], *task)
    request.node.stash[_TRIAL] = new_trial
    return new_trial


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Keep the reason of whatever did not run, so that a report can be made from the run folder alone."""
    trial = pyfuncitem.stash.get(_TRIAL, None)
    try:
        return (yield)
    except StorageError as error:
        pyfuncitem.user_properties.append(("storage_error", str(error)))
        raise pytest.fail.Exception(str(error), pytrace=False) from error
    except NotStoredError as error:
        pyfuncitem.user_properties.append(("stale", "yes"))
        raise pytest.skip.Exception(str(error)) from error
    except OUTCOMES:
        raise
    except BaseException as error:
        short, understood = is_out_of_memory(error), isinstance(error, SuiteError)
        cause = "out of memory: " if short else "" if understood else f"stopped by {type(error).__name__}: "
        reason = " ".join(f"{cause}{error}".split()).removesuffix(":")
        if not (short or understood) and isinstance(error, Exception):
            if trial is not None:
                trial.store.mark_not_run(trial.key, reason)
            raise
        if short:
            pyfuncitem.user_properties.append(("out_of_memory", reason))
        if trial is not None:
            trial.store.mark_not_run(trial.key, reason)
        pyfuncitem.user_properties.append(("not_run", reason))
        raise pytest.skip.Exception(reason) from error
    finally:
        if trial is not None:
            pyfuncitem.user_properties.extend(trial.properties)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """End with code 2 if anything did not run or cannot be told, whatever pytest thinks of skips; ignore claims."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skips = reporter.stats.get("skipped", []) if reporter else []
    skipped = [report for report in skips if CLAIMS_PAGE not in report.nodeid]
    if exitstatus == pytest.ExitCode.OK and skipped:
        session.exitstatus = NOT_RUN_EXIT
