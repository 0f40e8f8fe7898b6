"""Where data come from: the ENCODE portal, releases of annotations, and the transport that both share."""
