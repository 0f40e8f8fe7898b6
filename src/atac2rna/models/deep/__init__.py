"""Model `deep`: a network from the windows of all genes to the sample's state and back to each gene.

Read in this order: `settings`, `windows` (what a sample is), `samples` (the training samples as arrays), `memory` (what
is known of the genes from a set of samples), `similarity` (what accessibility as a whole says), `rows` (training rows as
a test row would be seen), `network`, `training` (Lightning), `checkpoint`, `model`.
"""
