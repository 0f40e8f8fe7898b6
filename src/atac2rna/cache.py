"""Where files that were fetched once are kept, for all projects of a user."""

import os
from pathlib import Path

from platformdirs import user_cache_path

CACHE_VARIABLE = "ATAC2RNA_CACHE"


def cache_folder() -> Path:
    """Give the cache: the folder that ATAC2RNA_CACHE names, else the user's cache folder for atac2rna.

    It need not exist. What lies in it can be fetched again.
    """
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("atac2rna", appauthor=False)
