"""A portal of our own on loopback that behaves as that of ENCODE does, for tests and for trying things by hand.

By hand, from the root of the repository: `python -m tests.encode_portal --port 8765 [--faults 0.2 --seed 1] [--small]
[--real DIR]`; it says its addresses and ends with Ctrl-C. In a test:

    from encode_portal import Fault, RandomFaults, faults, made, running_portal

    world = made()                                    # a copy of the made-up catalogue, to be changed at will
    with running_portal(world.catalogue, faults=[...], enforce_pace=False) as portal:
        ... portal.url, portal.storage_url            # mirrors of annotations: storage_url + "/gencode" and "/ensembl"

**Objects.** `made(Size(peaks, genes, mouse_genes, seed))`: with `SMALL`, the default, for metadata; `made(Size())` has
20,000 peaks and all genes of the shipped model, so that `build` needs no annotation. `world.cases["same batch"]` gives
the accessions `.atac` and `.rna` of a case and the `.level` at which they pair; `made_cases` lists the cases. The human
ids and TSS are real, all values are made up. The catalogue, running or not:

    catalogue.get("ENCFF001AAA")                      # the object, as `frame=embedded` shows it
    catalogue.change("ENCFF001AAA", status="revoked", preferred_default=None)     # None takes a field away
    catalogue.remove("ENCFF001AAA")
    catalogue.data("ENCFF001AAA"), catalogue.place("ENCFF001AAA")    # bytes, path on the storage host
    catalogue.replace_data("ENCFF001AAA", b"...", told=False)        # told: md5 and size in the object follow
    catalogue.add({"@id": "/experiments/ENCSR900AAA/", "@type": ["Experiment", "Dataset", "Item"], ...})
    catalogue.add_file({"accession": "ENCFF900AAA", "file_format": "tsv", "dataset": "/experiments/...", ...}, b"...")
    catalogue.mirror["gencode/..."] = b"..."

`Catalogue()` is an empty one; `add_file` fills in href, size, md5, `s3_uri`, `cloud_metadata` and the experiment's `files`.
Objects made with `objects.Workshop(catalogue)` have all fields of the portal. In stored objects `{storage}` stands for
the address of the storage host; `portal.shown(accession)` gives an object as it is served.

**Faults.** `Fault(trouble, path="*", role=None, times=(0,), method="GET", query="")`: the trouble befalls those of the
matching requests that `times` counts, from 0; None: all. `role` is "portal" or "storage", `path` a pattern. Troubles are
made by `faults`: `status(503)`, `status(429, retry_after=2)`, `status(429, retry_after=retry_date(2))`, `dropped()`,
`cut_at(0.3)`, `cut_without_length(0.3, chunked=False)`, `wrong_bytes()`, `shortened()`, `lengthened()`,
`no_length(chunked=False)`, `range_ignored()`, `range_shifted()`, `redirected("http://example.org/x")`,
`redirected("{path}")` (a loop), `trickle(bytes, pause)`, `hang(seconds, at=None)`, `page()`, `broken_json()`,
`body(b"...")`, `without_field("lab.title")`, `with_field("file_size", "many")`, `edited(function of the document)`.
`RandomFaults(share, seed, troubles=faults.PASSING, role=None, in_a_row=3)` spoils a share of the requests, whatever the
order in which threads arrive; a file is silently damaged once at most, a JSON document never, and 403 is not among the
troubles. `portal.faults.add(...)` and `.clear()` while it runs; `portal.expire_signatures()`; `deaf_address()` gives an
address where connecting hangs.

**Log.** `portal.log.requests("/search/*", role="portal")`: `time` (monotonic), `role`, `method`, `path`, `query`,
`headers` (small letters), `status` (0: no answer), `sent` (bytes of the body), `fault`. `portal.log.fastest()`: most
requests to the portal in any one second. `portal.log.clear()`. With `enforce_pace` the eleventh within a second gets 429.
"""

from . import faults
from .catalogue import Catalogue, Object
from .faults import Fault, RandomFaults
from .made import SMALL, Made, Size, made
from .server import Portal, deaf_address, running_portal

__all__ = [
    "SMALL",
    "Catalogue",
    "Fault",
    "Made",
    "Object",
    "Portal",
    "RandomFaults",
    "Size",
    "deaf_address",
    "faults",
    "made",
    "running_portal",
]
