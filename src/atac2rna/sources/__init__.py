"""What comes from elsewhere: the ENCODE portal, GENCODE and Ensembl. Nothing outside this package opens an address."""
