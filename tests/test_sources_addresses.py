"""Which addresses may be opened."""

import pytest

from atac2rna.sources.addresses import PORTAL, Addresses
from atac2rna.sources.faults import SourceError

LOOPBACK = "http://127.0.0.1:8765"


@pytest.mark.parametrize(
    "url",
    [
        f"{PORTAL}/search/?type=Experiment&field=@id&limit=all",
        f"{PORTAL}/files/ENCFF000AAA/@@download/ENCFF000AAA.bed.gz",
        "https://encode-public.s3.amazonaws.com/2021/06/03/a/ENCFF000AAA.bed.gz?X-Amz-Expires=129600&Signature=a%2Fb",
        "https://encode-private.s3.us-west-2.amazonaws.com/x",
        "https://s3.amazonaws.com/encode-files/x",
        "https://s3-us-west-2.amazonaws.com/encode-public/x",
        "https://s3.dualstack.us-west-2.amazonaws.com/encode-public/x",
        "https://datasetencode.blob.core.windows.net/dataset/x?sig=a",
        "https://ftp.ebi.ac.uk/pub/databases/gencode/Gencode_human/release_29/MD5SUMS",
        "https://ftp.ensembl.org/pub/release-110/gtf/homo_sapiens/CHECKSUMS",
        "https://FTP.EBI.AC.UK:443/pub",
    ],
)
def test_known_hosts_are_admitted(url: str) -> None:
    assert Addresses().admit(url).url == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://www.encodeproject.org/search/", "plain http"),
        ("ftp://ftp.ebi.ac.uk/pub", "no https address"),
        ("file:///x", "no https address"),
        ("//www.encodeproject.org/x", "no https address"),
        ("/search/", "no https address"),
        ("", "characters"),
        ("https://example.org/x", "unknown host 'example.org'"),
        ("https://www.encodeproject.org.example.org/x", "unknown host"),
        ("https://www.encodeproject.org./x", "unknown host"),
        ("https://someone.s3.amazonaws.com/encode-public/x", "unknown host"),
        ("https://s3.amazonaws.com/someone/x", "unknown host"),
        ("https://s3.amazonaws.com/encode-public-not/x", "unknown host"),
        ("https://s3.amazonaws.com/encode-public/../someone/x", "steps up"),
        ("https://s3.amazonaws.com/encode-public/%2e%2E/someone/x", "steps up"),
        ("https://encode-public.s3.amazonaws.com.example.org/x", "unknown host"),
        ("https://encode-public.s3.example.amazonaws.com/x", "unknown host"),
        ("https://me:secret@www.encodeproject.org/x", "user name"),
        ("https://www.encodeproject.org@example.org/x", "user name"),
        ("https://example.org\\@www.encodeproject.org/x", "characters"),
        ("https://www.encodeproject.org/a b", "characters"),
        ("https://www.encodeproject.org/a\r\nHost: b", "characters"),
        ("https://www.encodeproject.org:8443/x", "port 8443"),
        ("https://www.encodeproject.org:99999/x", "no address"),
        ("https://[::1/x", "no address"),
        ("http://127.0.0.1:80/x", "this machine"),
        ("http://localhost/x", "this machine"),
        ("http://[::1]:80/x", "this machine"),
        ("http://127.0.0.2/x", "plain http"),
        ("https://" + "a" * 9000, "8,192"),
    ],
)
def test_everything_else_is_refused(url: str, reason: str) -> None:
    with pytest.raises(SourceError) as refused:
        Addresses().admit(url)
    assert reason in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://localhost:1234/x", "http://[::1]:80/x"])
def test_a_portal_on_this_machine_may_name_its_ports(url: str) -> None:
    assert Addresses(LOOPBACK).admit(url).loopback
    assert Addresses(PORTAL, (LOOPBACK,)).admit(url).loopback


def test_a_portal_elsewhere_has_to_speak_https() -> None:
    with pytest.raises(SourceError, match="plain http"):
        Addresses("http://portal.example.org")
    portal = Addresses("https://portal.example.org:8443")
    assert portal.is_portal(portal.admit("https://portal.example.org:8443/x"))
    assert not portal.is_portal(portal.admit(f"{PORTAL}/x"))


def test_redirects_are_checked_step_by_step() -> None:
    known = Addresses()
    source = known.admit(f"{PORTAL}/files/ENCFF000AAA/@@download/x")
    assert known.follow(source, "/y").url == f"{PORTAL}/y"
    assert known.follow(source, "https://encode-public.s3.amazonaws.com/y").origin[1].startswith("encode-public")
    for location, reason in [
        ("http://encode-public.s3.amazonaws.com/y", "plain http"),
        ("https://example.org/y", "unknown host"),
        ("http://127.0.0.1/y", "this machine"),
        ("https://[x/y", "no address"),
    ]:
        with pytest.raises(SourceError, match="redirects to") as refused:
            known.follow(source, location)
        assert reason in str(refused.value)


def test_only_this_machine_redirects_to_itself() -> None:
    known = Addresses(PORTAL, (LOOPBACK,))
    source = known.admit(f"{PORTAL}/x")
    with pytest.raises(SourceError, match="redirects to this machine itself"):
        known.follow(source, LOOPBACK)
    assert known.follow(known.admit(f"{LOOPBACK}/x"), "http://127.0.0.1:1/y").loopback


def test_a_signature_is_not_told() -> None:
    with pytest.raises(SourceError) as refused:
        Addresses().admit("https://example.org/x?X-Amz-Signature=secret")
    assert "secret" not in str(refused.value)


def test_a_login_is_refused_and_not_told() -> None:
    with pytest.raises(SourceError, match="carries a user name") as refused:
        Addresses(portal="https://me:secret@example.org")
    assert "secret" not in str(refused.value)
