"""Encoders that the user brings: a factory in a module of theirs, called with the options of the spec."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib
import inspect
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from suite.encoders.encoder import Encoder
from suite.encoders.wrap import wrap_described
from suite.errors import RequestError, SuiteError
from suite.specs import Spec

_SUITE = Path(__file__).parent.parent
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_folders: dict[str, Path] = {}
"""Module of a user's -> the current folder that its import left, which its factory may count on."""


def factory_encoder(spec: Spec) -> Encoder:
    """Load `package.module:factory`: an `Encoder`, or a module that states what `suite.encoders.wrap` has to know.

    The module is looked for in the current folder, then where Python looks (PYTHONPATH). Options of the spec are
    keyword arguments of the factory, converted by its annotations. The current folder stays what it was.

    Raises:
        RequestError: no such module or function, it fails, or it returns something else.
    """
    location = f"encoder {spec.text!r}"
    if spec.file:
        raise RequestError(f"{location}: expected MODULE:FUNCTION without @FILE; pass it as an option, ?name=FILE")
    with contextlib.chdir(Path.cwd()):
        factory = _factory(spec, location)
        candidate = _made(factory, spec, location)
        encoder = candidate if isinstance(candidate, Encoder) else _wrapped(candidate, location)
    encoder.name = spec.text
    encoder.code = code_of(factory, encoder)
    return encoder


def _factory(spec: Spec, location: str) -> Callable[..., Any]:
    """Import the factory."""
    module_name, _, function_name = spec.name.partition(":")
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    is_new = module_name not in sys.modules
    try:
        factory = getattr(importlib.import_module(module_name), function_name)
    except ModuleNotFoundError as error:
        ours = error.name == module_name.split(".")[0] or error.name == module_name
        hint = "; it has to be in the current folder or on PYTHONPATH" if ours else f", which {module_name} imports"
        if "SUITE_IMAGE" in os.environ and not ours:
            hint += "; the container has the image's packages and the folders of PYTHONPATH"
        raise RequestError(f"{location}: no module {error.name!r}{hint}") from error
    except AttributeError as error:
        raise RequestError(f"{location}: {' '.join(str(error).split())}; expected MODULE:FUNCTION") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module of the user's may fail in any way
        raise RequestError(f"{location}: {module_name} cannot be imported: {_description(error)}") from error
    if not callable(factory):
        raise RequestError(f"{location}: expected a function, got {type(factory).__name__}")
    if is_new:
        _folders[module_name] = Path.cwd()
    return factory


def _made(factory: Callable[..., Any], spec: Spec, location: str) -> nn.Module:
    """Call the factory."""
    arguments = _arguments(factory, spec, location)
    folder = _folders.get(spec.name.partition(":")[0], Path.cwd())
    try:
        with contextlib.chdir(folder):
            candidate = factory(**arguments)
    except SuiteError as error:
        raise type(error)(f"{location}: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise RequestError(f"{location}: the factory raised {_description(error)}") from error
    if not isinstance(candidate, nn.Module):
        raise RequestError(
            f"{location}: expected the factory to return an Encoder or a module, got {type(candidate).__name__}"
        )
    return candidate


def _arguments(factory: Callable[..., Any], spec: Spec, location: str) -> dict[str, Any]:
    """Return the options of a spec as keyword arguments: by annotation, else what they are as Python literals."""
    if not spec.options:
        return {}
    try:
        signature = inspect.signature(factory, eval_str=True)
    except Exception:  # annotations may name what is not there; then they are texts, and literals are tried
        try:
            signature = inspect.signature(factory)
        except (TypeError, ValueError):  # of a class in C
            return {name: _literal(text) for name, text in spec.options.items()}
    parameters = signature.parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    names = [p.name for p in parameters.values() if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]
    for name in spec.options:
        if name not in names and not takes_all:
            expected = f"expected one of {', '.join(names)}" if names else "the factory takes none"
            raise RequestError(f"{location}: unknown option {name!r}: {expected}")
    return {
        name: _value(text, parameters[name].annotation if name in names else inspect.Parameter.empty, name, location)
        for name, text in spec.options.items()
    }


def _value(text: str, annotation: Any, name: str, location: str) -> Any:
    if annotation is bool:
        if text.lower() not in _TRUTH:
            raise RequestError(f"{location}: option {name}: expected true or false, got {text!r}")
        return _TRUTH[text.lower()]
    if annotation in {str, Path}:
        return annotation(text)
    if annotation in {int, float}:
        try:
            return annotation(text)
        except ValueError as error:
            kind = "a whole number" if annotation is int else "a number"
            raise RequestError(f"{location}: option {name}: expected {kind}, got {text!r}") from error
    return _literal(text)


def _literal(text: str) -> Any:
    """Return the number, truth value, None or tuple that a text is in Python; else the text."""
    try:
        return ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text, text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def code_of(factory: object, encoder: Encoder) -> str:
    """Return the SHA-256 of the user's files behind an encoder, which decide its features as much as the weights do.

    Those are the file, or the whole package, of the factory, of every class of its modules, and of whatever these
    files have imported, except for what is installed and for this suite. What they read otherwise, the digest of the
    tokens sees (`suite.encoders.identity`).
    """
    modules: set[types.ModuleType] = set()
    queue = [
        inspect.getmodule(source) for source in (_behind(factory), *{type(module) for module in encoder.modules()})
    ]
    while queue:
        module = queue.pop()
        if module is not None and module not in modules and _is_users(module):
            modules.add(module)
            queue += _imported(module)
    files: set[Path] = set()
    for module in modules:
        package = sys.modules.get(module.__name__.split(".")[0], module)
        folders = getattr(package, "__path__", None)
        files |= (
            {Path(str(module.__file__))} if folders is None else {p for f in folders for p in Path(f).rglob("*.py")}
        )
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def _is_users(module: types.ModuleType) -> bool:
    """Tell whether a module is neither installed nor Python's nor this suite's."""
    place = getattr(module, "__file__", None)
    if not isinstance(place, str) or not place.endswith(".py") or not Path(place).is_file():
        return False
    installed = "site-packages" in place or "dist-packages" in place
    return not installed and not Path(place).is_relative_to(_SUITE) and not _is_python_s(module)


def _is_python_s(module: types.ModuleType) -> bool:
    return module.__name__.partition(".")[0] in sys.stdlib_module_names


def _imported(module: types.ModuleType) -> Iterator[types.ModuleType | None]:
    """Yield the modules that a module's names come from."""
    for value in map(_behind, list(vars(module).values())):
        if isinstance(value, types.ModuleType):
            yield value
        elif isinstance(value, type | types.FunctionType):
            yield sys.modules.get(value.__module__)


def _behind(value: object) -> object:
    """Return the function that a partial one calls, anything else as it is."""
    while isinstance(value, functools.partial):
        value = value.func
    return value


def _wrapped(module: nn.Module, location: str) -> Encoder:
    try:
        return wrap_described(module, location)
    except SuiteError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # its forward pass may fail in any way
        raise RequestError(f"{location}: its module fails on one black image: {_description(error)}") from error


def _description(error: BaseException) -> str:
    """Return `ValueError: text (my_encoder.py, line 12)`: one line, and the last line of the user's that was run."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    user_frames = [f for f in frames if not f.filename.startswith((str(_SUITE), "<")) and "importlib" not in f.filename]
    place = f" ({Path(user_frames[-1].filename).name}, line {user_frames[-1].lineno})" if user_frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{place}"
