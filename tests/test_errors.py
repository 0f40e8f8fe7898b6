"""What an error message offers in place of a name that is not known."""

import pytest

from atac2rna.errors import nearest_names


@pytest.mark.parametrize(
    ("name", "known", "phrase"),
    [
        ("cell_typ", ["cell_type", "donor"], "did you mean 'cell_type'?"),
        ("x", ["cell_type", "donor"], "known: cell_type, donor"),
        ("x", [f"s{i}" for i in range(13)], f"known: {', '.join(f's{i}' for i in range(12))}, ..."),
        ("x", [], "there are none"),
    ],
)
def test_nearest_names(name: str, known: list[str], phrase: str) -> None:
    assert nearest_names(name, known) == phrase
