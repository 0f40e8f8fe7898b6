"""Gene expression tables of the common quantifiers, read into TPM of genes."""

from atac2rna.formats.expression.dialect import Dialect
from atac2rna.formats.expression.reader import WHAT, ExpressionFile, read_expression

__all__ = ["WHAT", "Dialect", "ExpressionFile", "read_expression"]
