"""Relation predictors, one file each. Every module of this folder is imported, so that it registers what it holds."""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
