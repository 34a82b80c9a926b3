"""Options of groups are read and merged once in a process of tests: 0.1 s less at each config.

Hydra reads some thirty files for each config. What it merges them to depends on the options of
groups alone; ``KEY=VALUE`` of the command line is laid over it afterwards, here as everywhere.
Programs that tests start are without this.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra._internal.defaults_list import DefaultsList, Overrides, create_defaults_list
from omegaconf import DictConfig

from outtake.config.compose import CONF_DIR

_NOT_EDITED_BY_TESTS = {f"file://{CONF_DIR}", "pkg://hydra.conf", "structured://"}
_read = ConfigRepository.load_config
_merge = ConfigLoaderImpl._compose_config_from_defaults_list


class ComposedGroups:
    """Files, the lists of them that options of groups lead to, and what these lists merge to."""

    def __init__(self) -> None:
        self._files: dict[str, Any] = {}
        self._lists: dict[object, DefaultsList] = {}
        self._merged: dict[int, bytes] = {}

    def read(self, repo: ConfigRepository, config_path: str) -> Any:
        """Stand for ``ConfigRepository.load_config``."""
        if not _is_kept(repo):
            return _read(repo, config_path)
        if config_path not in self._files:
            self._files[config_path] = _read(repo, config_path)
        return copy.deepcopy(self._files[config_path])

    def list_files(
        self, repo: Any, config_name: str | None, overrides_list: list[Any], **how: bool
    ) -> DefaultsList:
        """Stand for ``create_defaults_list``."""
        if not _is_kept(repo):
            return create_defaults_list(repo, config_name, overrides_list, **how)
        given = Overrides(repo, overrides_list)
        of_keys = {id(override) for override in given.config_overrides}
        of_groups = [each.input_line for each in overrides_list if id(each) not in of_keys]
        key = (config_name, tuple(of_groups), *how.items())
        if key not in self._lists:
            self._lists[key] = create_defaults_list(repo, config_name, overrides_list, **how)
        found = copy.copy(self._lists[key])
        found.config_overrides = given.config_overrides
        return found

    def merge(self, loader: ConfigLoaderImpl, defaults: list[Any], repo: Any) -> DictConfig:
        """Stand for ``ConfigLoaderImpl._compose_config_from_defaults_list``."""
        if not any(defaults is kept.defaults for kept in self._lists.values()):
            return _merge(loader, defaults, repo)
        if id(defaults) not in self._merged:
            self._merged[id(defaults)] = pickle.dumps(_merge(loader, defaults, repo))
        merged: DictConfig = pickle.loads(self._merged[id(defaults)])
        return merged


def _share_sources(cache: CachingConfigRepository, delegate: Any) -> None:
    """Stand for ``CachingConfigRepository.__init__``, which copies all that belongs to sources."""
    cache.delegate = copy.copy(delegate)  # other sources are another list
    cache.cache = {}


def _is_kept(repo: Any) -> bool:
    return {source.full_path() for source in repo.get_sources()} <= _NOT_EDITED_BY_TESTS


@contextmanager
def composed_once() -> Iterator[None]:
    """Let Hydra compose options of groups once in this process."""
    groups = ComposedGroups()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CachingConfigRepository, "__init__", _share_sources)
        with _patched(groups.list_files, groups.read, groups.merge):
            yield


@contextmanager
def composed_each_time() -> Iterator[None]:
    """Let Hydra do all by itself, within :func:`composed_once`."""
    with _patched(create_defaults_list, _read, _merge):
        yield


@contextmanager
def _patched(
    list_files: Callable[..., Any], read: Callable[..., Any], merge: Callable[..., Any]
) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config_loader_impl, "create_defaults_list", list_files)
        patch.setattr(ConfigRepository, "load_config", lambda *a, **k: read(*a, **k))
        patch.setattr(
            ConfigLoaderImpl,
            "_compose_config_from_defaults_list",
            lambda *a, **k: merge(*a, **k),
        )
        yield
